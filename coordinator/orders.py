"""`coordinator drain | cordon | resume | revoke | remove | export | verify`: what an operator does from a terminal."""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import orjson
from pydantic import ValidationError

from coordinator.settings import OperatorSettings
from edgeproxy.cluster.client import CoordinatorClient, CoordinatorError
from edgeproxy.cluster.export import Export
from edgeproxy.runtime.environment import EXIT_FAILURE, reveal

MAX_EXPORT: Final = 256 * 1024 * 1024

_DONE: Final = {
    "drain": "is drained: its services move to others",
    "cordon": "keeps what it runs and gets nothing new",
    "resume": "takes part again",
    "revoke": "is out, and its key is good no more",
    "remove": "is out; it may come back",
}


def order(what: str, worker_id: str, settings: OperatorSettings) -> int:
    """Give an order about one worker; the exit code."""

    async def give() -> None:
        async with _client(settings) as client:
            answer = await client.order(what, quote(worker_id, safe=""))
        unkeyed = what == "revoke" and answer.get("revoked") is False
        print(f"{worker_id} {'is out; it has no key, and may come back' if unkeyed else _DONE[what]}")

    return _run(give())


def export(file: Path | None, settings: OperatorSettings) -> int:
    """Write the signed list to a file, or to standard output."""

    async def fetch() -> None:
        async with _client(settings) as client:
            _write(file, orjson.dumps(await client.read("/v1/export"), option=orjson.OPT_APPEND_NEWLINE))

    return _run(fetch())


def _write(file: Path | None, text: bytes) -> None:
    if file is None:
        sys.stdout.buffer.write(text)
    else:
        file.write_bytes(text)


def verify(file: Path, trusted: str | None) -> int:
    """Print what was signed, if it was; the exit code."""
    try:
        with file.open("rb") as opened:
            content = Export.model_validate(orjson.loads(opened.read(MAX_EXPORT))).verified(trusted)
    except OSError as error:
        return _failed(f"{file}: {error.strerror}")
    except ValidationError:
        return _failed(f"{file} is no export of a coordinator")
    except ValueError as error:
        return _failed(f"{file}: {error}")
    sys.stdout.buffer.write(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return 0


def _client(settings: OperatorSettings) -> CoordinatorClient:
    return CoordinatorClient(settings.url, reveal(settings.admin_key) or reveal(settings.api_key))


def _run(work: Coroutine[Any, Any, None]) -> int:
    try:
        asyncio.run(work)
    except CoordinatorError as error:
        return _failed(error.message)
    except OSError as error:
        return _failed(str(error))
    return 0


def _failed(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return EXIT_FAILURE
