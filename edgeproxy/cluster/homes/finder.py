"""Keeps the list of coordinators good, and measures how near they are. For an agent or an edge; runs in the background.

The list comes from whoever answers, and is believed for its signatures; it is kept on disk. When nobody answers, the
emergency store is read, by the fleet's budget.
"""

import asyncio
import contextlib
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final

import aiohttp
import orjson
import structlog
from yarl import URL

from edgeproxy.cluster.homes import lastgood
from edgeproxy.cluster.homes.chain import Chain
from edgeproxy.cluster.homes.closeness import Closeness
from edgeproxy.cluster.homes.directory import Directory
from edgeproxy.cluster.homes.kv import Store, StoreError
from edgeproxy.cluster.homes.trust import MAX_DOCUMENT, Untrusted

log = structlog.get_logger(__name__)

ROUND: Final = 300.0
FIRST_ROUND: Final = 1.0
JITTER: Final = 0.2
PROBES: Final = 3  # on one connection; the first pays for it, the least counts
PROBE_TIMEOUT: Final = 2.0
MOST_PROBED: Final = 6
MAX_PING: Final = 4096


@dataclass(frozen=True, slots=True)
class Ping:
    """What a coordinator says of itself; `seconds` is the least round trip of a round."""

    seconds: float
    workers: int = 0
    accept_rate: float = 0.0
    load: float = 0.0
    draining: bool = False


@dataclass
class Finder:
    """`path` is where the last good list is kept; `store` the emergency store, if its variables are set."""

    who: str
    seeds: Sequence[str]
    roots: Collection[str] = ()
    path: Path | None = None
    store: Store | None = None
    round: float = ROUND
    closeness: Closeness = field(default_factory=Closeness)
    pings: dict[str, Ping] = field(default_factory=dict)
    chain: Chain = field(init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.chain = Chain(self.who, tuple(self.seeds))
        if self.path is not None and self.roots:
            self.chain.directory = lastgood.read(self.path, self.roots)

    def look_soon(self) -> None:
        """Somebody answered: who else there is, is asked now."""
        self._wake.set()

    def urls(self) -> list[str]:
        """Whom to ask, in order."""
        self.chain.nearest = tuple(self.closeness.ranked(monotonic()))
        return self.chain.urls(monotonic())

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Until it is cancelled."""
        wait = FIRST_ROUND
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait * random.uniform(1 - JITTER, 1 + JITTER)):
                    await self._wake.wait()
            self._wake.clear()
            wait = self.round
            if not await self.look(session):
                wait = max(0.1, self.chain.nobody(monotonic()) - monotonic())

    async def look(self, session: aiohttp.ClientSession) -> bool:
        """One round; whether anybody answered."""
        near = self.urls()[:MOST_PROBED]
        answers = await asyncio.gather(*(self._probe(session, url) for url in near))
        if any(answers):
            await self._learn(session, [url for url, well in zip(near, answers, strict=True) if well])
            return True
        await self._read_store()
        return False

    async def _probe(self, session: aiohttp.ClientSession, url: str) -> bool:
        best: Ping | None = None
        for _ in range(PROBES):
            try:
                ping = await _ping(session, url)
            except (TimeoutError, aiohttp.ClientError, OSError, ValueError, TypeError, KeyError):
                break
            best = ping if best is None or ping.seconds < best.seconds else best
        if best is None:
            self.chain.failed(url, monotonic())
            self.pings.pop(url, None)
            return False
        self.chain.answered(url)
        self.pings[url] = best
        if best.draining:
            self.closeness.candidates.pop(url, None)  # near or not, it takes nobody
        else:
            self.closeness.measured(url, best.seconds, monotonic(), best.load)
        return True

    async def _learn(self, session: aiohttp.ClientSession, urls: Sequence[str]) -> None:
        if not self.roots:
            return
        for url in urls[:2]:
            try:
                data = await _get(session, url + "/fed/v1/directory", MAX_DOCUMENT)
            except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
                continue
            if self.take(data):
                return

    async def _read_store(self) -> None:
        if self.store is None or not self.roots or not self.chain.may_read_store(monotonic()):
            return
        log.warning("no coordinator answers, looking into the emergency store")
        try:
            data = await self.store.read()
        except StoreError as error:
            log.warning("the emergency store is away too", reason=str(error))
            return
        if data is not None:
            self.take(data)

    def take(self, data: bytes) -> bool:
        """A list from anywhere; whether it is to be trusted."""
        known = self.chain.directory
        try:
            directory = Directory.open(data, self.roots, known.bundle.version if known else 0)
        except Untrusted as error:
            log.warning("a list of coordinators is refused", reason=str(error), kind=error.reason)
            return False
        if self.chain.learned(directory):
            self.closeness.keep_only(set(self.chain.urls(monotonic())))
            self.pings = {url: ping for url, ping in self.pings.items() if url in self.closeness.candidates}
            if self.path is not None:
                lastgood.write(self.path, directory.dump())
        return True


async def _ping(session: aiohttp.ClientSession, url: str) -> Ping:
    began = monotonic()
    body = await _get(session, url + "/v1/ping", MAX_PING)
    seconds = monotonic() - began
    said = orjson.loads(body)
    return Ping(
        seconds, int(said["workers"]), float(said["accept_rate"]), float(said["load"]), said.get("draining") is True
    )


async def _get(session: aiohttp.ClientSession, url: str, most: int) -> bytes:
    timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT)
    async with session.get(URL(url, encoded=True), timeout=timeout, allow_redirects=False) as response:
        if response.status != 200:
            raise ValueError(f"{url} answered {response.status}")
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > most:
                raise ValueError(f"{url} answered more than {most} bytes")
        return bytes(body)
