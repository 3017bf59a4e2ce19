"""Several coordinators of one site, with an engine under them: each tells what is at home with it, and reads the rest.

In memory is everything, always; the engine is how the others hear of it. When it is away we go on alone
(`degraded`), and when it is back we tell everything again. What two wrote of one worker is merged as between sites.
"""

import asyncio
import contextlib
from collections.abc import Callable
from time import monotonic
from typing import Final

import orjson
import structlog

from coordinator.federation.messages import record_of, row_of
from coordinator.federation.node import Node
from coordinator.federation.record import Record
from coordinator.registry import Registry
from coordinator.store.engine import Engine, EngineDown

log = structlog.get_logger(__name__)

BATCH: Final = 0.25
OWN_FOR: Final = 10.0
OWN_EVERY: Final = 3.0
LEASE: Final = 60.0  # of a worker whose coordinator is gone: as for the orphans of another site
RETRY: Final = 0.5
RETRY_MOST: Final = 5.0
MOST: Final = 500


class SharedSite:
    """`run()` until it is cancelled."""

    def __init__(self, engine: Engine, node: Node, registry: Registry, clock: Callable[[], float] = monotonic) -> None:
        self._engine, self._node, self._registry, self._clock = engine, node, registry, clock
        self.degraded = True
        self.fence = 0
        self._told = 0
        self._heard: dict[str, float] = {}
        self._next_own = 0.0

    async def run(self) -> None:
        wait = RETRY
        while True:
            try:
                position = await self._begin()
                wait = RETRY
                await self._follow(position)
            except EngineDown as error:
                self._is_down(error)
            await asyncio.sleep(wait)
            wait = min(wait * 2, RETRY_MOST)

    async def close(self) -> None:
        with contextlib.suppress(EngineDown):
            await self._engine.close()

    async def _begin(self) -> str:
        """All that the engine has, then all that we have."""
        position = await self._engine.end()
        for data in await self._engine.load():
            self._take(data)
        self._told = 0
        self._heard.clear()
        await self._write()
        if self.degraded:
            log.info("the shared store is there", workers=len(self._node.view))
        self.degraded = False
        return position

    async def _follow(self, position: str) -> None:
        """Tell and hear, until one of both fails. No TaskGroup: before Python 3.13 it loses a cancellation that comes
        beside an error, and we would not end."""
        both = [asyncio.ensure_future(work) for work in (self._write_forever(), self._read_forever(position))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            ends = await asyncio.gather(*both, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _write_forever(self) -> None:
        while True:
            await asyncio.sleep(BATCH)
            await self._write()
            await self._sweep()

    async def _write(self) -> None:
        while True:
            keys, reached = self._node.changes.since(self._told, MOST, self._is_ours)
            rows = [self._node.view.records[key] for key in keys]
            await self._engine.put([(record.key, version_text(record), dump(record)) for record in rows])
            self._told = reached
            if reached >= self._node.changes.seq:
                break
        if unknown := await self._engine.beat(self._beating()):
            again = [self._node.view.records[key] for key in unknown if self._is_ours(key)]
            await self._engine.put([(record.key, version_text(record), dump(record)) for record in again])

    async def _sweep(self) -> None:
        """Of all the coordinators one looks for workers that nobody hears: who has the fence."""
        now = self._clock()
        if now < self._next_own:
            return
        self._next_own = now + OWN_EVERY
        self.fence = await self._engine.own(self._node.name, OWN_FOR)
        if self.fence:
            expired = await self._engine.expire(self._node.name, self.fence, LEASE)
            if expired:
                log.info("workers of coordinators that are gone have expired", workers=len(expired))

    async def _read_forever(self, position: str) -> None:
        while True:
            changes = await self._engine.changes(position)
            for _, key, data in changes:
                if data:
                    self._take(data)
                elif not self._is_ours(key):
                    self._node.forget(key)
                else:
                    self._told = 0  # ours are alive: tell them again
            position = changes[-1][0] if changes else position

    def _take(self, data: bytes) -> None:
        try:
            record = record_of(orjson.loads(data))
        except ValueError as error:
            raise EngineDown(f"it holds nonsense: {error}") from None
        self._node.admit(record, self._clock())

    def _is_ours(self, key: str) -> bool:
        record = self._node.view.records.get(key)
        return record is not None and record.home == self._node.name

    def _beating(self) -> list[str]:
        """Ours that live, each every few batches: the lease is long."""
        now = self._clock()
        due = [
            record.key
            for record in self._node.view.of_home(self._node.name)
            if record.up and not record.gone and now >= self._heard.get(record.key, 0.0) + LEASE / 6
        ]
        self._heard.update(dict.fromkeys(due, now))
        return due

    def _is_down(self, error: BaseException) -> None:
        if not self.degraded:
            log.warning("the shared store is down, going on alone", reason=str(error))
        self.degraded = True
        self.fence = 0


def version_text(record: Record) -> bytes:
    """The engine compares bytes: numbers of one width, in the order of `Version`. Which claim wins where a worker
    signed two for one life the readers decide."""
    numbers = f"{record.incarnation:014x} {record.home_epoch:014x} {record.home} {record.boot:014x} {record.seq:014x}"
    return numbers.encode()


def dump(record: Record) -> bytes:
    return orjson.dumps(row_of(record))
