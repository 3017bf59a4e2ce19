"""The policy file and the token issuer's keys, looked after once a machine: what is good goes to all processes, what is
not is complained of, and what was good before stays in force."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from edgeproxy.clock import monotonic
from edgeproxy.discovery.policy_file import read_text
from edgeproxy.policy.document import Document, TokenPart, read_document
from edgeproxy.policy.tokens import Tokens
from edgeproxy.runtime.logs import get_logger

LOOK_SECONDS = 1.0
KEYS_SECONDS = 300.0
"""How long an issuer's keys are used before they are asked for again."""
KEYS_RETRY_SECONDS = 10.0
"""After a failure; and between two questions that a token with an unknown key has caused: anybody can make one."""
MAX_JWKS = 256 * 1024

log = get_logger(__name__)


class PolicyWatch:
    """`tell` sends a message to every process. `run()` ends when cancelled."""

    def __init__(self, path: Path, tell: Callable[[dict[str, Any]], None]) -> None:
        self._path = path
        self._tell = tell
        self._seen: object = None
        self._document = Document()
        self._keys_due = 0.0
        self._missed = False
        self._missed_due = 0.0

    def key_missed(self) -> None:
        """A token names a key that the issuer did not have when it was asked."""
        self._missed = True

    async def run(self) -> None:
        while True:
            await self._look()
            if self._document.jwt is not None and self._want_keys(monotonic()):
                await self._renew_keys(self._document.jwt)
            await asyncio.sleep(LOOK_SECONDS)

    def _want_keys(self, now: float) -> bool:
        if self._missed and now >= self._missed_due:
            self._missed = False
            self._missed_due = now + KEYS_RETRY_SECONDS
            self._keys_due = min(self._keys_due, now)
        return now >= self._keys_due

    async def _look(self) -> None:
        state = await asyncio.to_thread(self._state)
        if state == self._seen:
            return
        self._seen = state
        try:
            text = await asyncio.to_thread(read_text, self._path)
        except ValueError as error:
            log.error("the policy file is not used, the last good one stays", path=str(self._path), reason=str(error))
            return
        document = read_document(text)
        if document.jwt != self._document.jwt:
            self._keys_due = 0.0
        self._document = document
        self._tell({"type": "policy", "text": text})
        log.info("policy", keys=len(document.keys), services=len(document.services), jwt=document.jwt is not None)

    def _state(self) -> object:
        try:
            status = self._path.stat()
        except OSError as error:
            return error.errno
        return status.st_mtime_ns, status.st_size, status.st_ino

    async def _renew_keys(self, part: TokenPart) -> None:
        try:
            keys = await _published(part)
            Tokens(monotonic, algorithms=part.algorithms).use(keys)
        except (OSError, ValueError, TimeoutError, aiohttp.ClientError) as error:
            self._keys_due = monotonic() + KEYS_RETRY_SECONDS
            log.warning("the issuer's keys could not be had, the last ones stay", reason=type(error).__name__)
            return
        self._keys_due = monotonic() + KEYS_SECONDS
        self._tell({"type": "jwks", "keys": keys})


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_JWKS + 1)


async def _published(part: TokenPart) -> dict[str, Any]:
    """The key set, unchecked; ValueError where it is no JSON object or too long."""
    if part.jwks_file is not None:
        content = await asyncio.to_thread(_beginning, Path(part.jwks_file))
    else:
        timeout = aiohttp.ClientTimeout(total=10)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(str(part.jwks_url), allow_redirects=False) as answer,  # it could lead to where it is not safe
        ):
            if answer.status != 200:
                raise ValueError(f"the answer was {answer.status}")
            content = b""
            while len(content) <= MAX_JWKS and (piece := await answer.content.readany()):
                content += piece
    if len(content) > MAX_JWKS:
        raise ValueError("the key set is too long")
    keys = orjson.loads(content)
    if not isinstance(keys, dict):
        raise ValueError("not an object")
    return keys
