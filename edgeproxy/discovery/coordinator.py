"""The worker list from the coordinator: cached, refreshed in the background, served stale while it is away.

A coordinator with its registry in memory knows nobody after a restart; workers come back one by one within a heartbeat
or two. Such a list is *partial*: it says so (`settled: false`), or is empty. Then workers that were listed less than
`ttl` ago stay beside it, but those of whom it knows that they are gone; health checks drop others that are. A full list
replaces everything at once.
"""

import asyncio
import contextlib
import itertools
import logging
import random
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Final, Protocol

from aiocache import SimpleMemoryCache  # type: ignore[import-untyped]

from edgeproxy.cluster.client import CoordinatorError
from edgeproxy.cluster.messages import MAX_WORKERS, WorkerList, WorkerRecord
from edgeproxy.cluster.services import SERVICES
from edgeproxy.cluster.urls import reverse_parts
from edgeproxy.discovery.snapshot import Endpoint, Snapshot

log = logging.getLogger(__name__)

FIRST_RETRY: Final = 1.0  # until there is a list, users get 503: ask often
TOLD_GAP: Final = 0.05  # a burst of changes costs it twenty questions a second
POKE_GAP: Final = 1.0  # a burst of requests without a worker costs the coordinator one question a second
JITTER: Final = 0.1
_KEY: Final = "workers"


class ListSource(Protocol):
    """What is needed of a CoordinatorClient: the list, or None for "as your ETag says"."""

    async def worker_list(self, etag: str | None = None) -> WorkerList | None: ...


class CoordinatorSource:
    """Calls `on_snapshot` with every new picture, never twice with the same. `run()` ends when cancelled."""

    def __init__(
        self,
        client: ListSource,
        on_snapshot: Callable[[Snapshot], None],
        *,
        ttl_s: float = 300.0,
        refresh_s: float = 5.0,
    ) -> None:
        self._client = client
        self._on_snapshot = on_snapshot
        self._ttl = ttl_s
        self._refresh_every = refresh_s
        # timeout=None: aiocache's default wraps every look-up in a task
        self._cache = SimpleMemoryCache(ttl=ttl_s, timeout=None)
        self._remembered: dict[str, tuple[WorkerRecord, float]] = {}  # by worker: its record, until when
        self._version: str | None = None
        self._failures = 0
        self._poked = asyncio.Event()
        self._told = False

    def poke(self) -> None:
        """Ask again soon: a request found no worker, or one failed."""
        self._poked.set()

    def told(self) -> None:
        """The coordinator itself says that the list has changed: ask now."""
        self._told = True
        self._poked.set()

    async def run(self) -> None:
        while True:
            asked = monotonic()
            self._poked.clear()
            self._told = False
            await self.refresh()
            await self._pause(asked)

    async def refresh(self) -> None:
        """One question to the coordinator; its failures are logged, not raised."""
        cached: WorkerList | None = await self._cache.get(_KEY)
        try:
            listed = await self._client.worker_list(cached.etag if cached else None)
        except CoordinatorError as error:
            self._is_away(error)
            return
        self._is_back()
        listed = listed or cached
        if listed is None:
            log.warning("the coordinator answered 304 to a question without an ETag")
            return
        await self._cache.set(_KEY, listed)
        self._publish(self._completed(listed))

    async def _pause(self, asked: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._interval()):
                await self._poked.wait()
        if self._poked.is_set() and not self._told:
            await self._rest(asked + POKE_GAP)
        await asyncio.sleep(max(0.0, asked + TOLD_GAP - monotonic()))

    async def _rest(self, until: float) -> None:
        """Poked by failures of which the coordinator need not know yet; what it tells itself ends the rest."""
        while not self._told and (left := until - monotonic()) > 0:
            self._poked.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._poked.wait()

    def _interval(self) -> float:
        wait = self._refresh_every
        if self._version is None:
            wait = min(wait, FIRST_RETRY * 2.0 ** min(self._failures - 1, 10)) if self._failures else FIRST_RETRY
        return wait * random.uniform(1 - JITTER, 1 + JITTER)

    def _completed(self, listed: WorkerList) -> WorkerList:
        """The list, with the workers that are remembered beside it while it is partial."""
        now = monotonic()
        fresh = {worker.worker_id: (worker, now + self._ttl) for worker in listed.workers}
        if listed.settled is False or not listed.workers:
            known = fresh.keys() | set(listed.gone)
            held = {name: kept for name, kept in self._remembered.items() if name not in known and now < kept[1]}
            fresh.update(itertools.islice(held.items(), max(0, MAX_WORKERS - len(fresh))))
        self._remembered = fresh
        return listed.model_copy(update={"workers": [worker for worker, _ in fresh.values()]})

    def _publish(self, listed: WorkerList) -> None:
        snapshot = snapshot_of(listed)
        if snapshot.version != self._version:
            self._version = snapshot.version
            self._on_snapshot(snapshot)

    def _is_away(self, error: CoordinatorError) -> None:
        self._failures += 1
        if self._failures == 1:
            serving = "no list yet" if self._version is None else "the last list stays in use"
            log.warning("the coordinator is away, %s: %s", serving, error)

    def _is_back(self) -> None:
        if self._failures:
            log.info("the coordinator answers again, after %d failures", self._failures)
        self._failures = 0


def snapshot_of(listed: WorkerList) -> Snapshot:
    """The picture that a list gives. A coordinator that names no services means the common ones."""
    endpoints = (endpoint for worker in listed.workers for endpoint in _endpoints(worker))
    keys = {worker.worker_id: worker.reverse_key for worker in listed.workers if worker.reverse_key}
    return Snapshot.of(endpoints, listed.services or SERVICES, keys)


def _is_its_own(url: str, worker: WorkerRecord) -> bool:
    """A machine cannot send users down another one's connections."""
    parts = reverse_parts(url)
    return parts is None or (parts[0] == worker.worker_id and worker.reverse_key is not None)


def _endpoints(worker: WorkerRecord) -> Iterator[Endpoint]:
    if worker.status == "offline":
        return
    if worker.services is not None:
        for report in worker.services:
            if report.status == "healthy" and _is_its_own(report.service_url, worker):
                yield Endpoint.of(report.name, report.service_url, report.health_path, report.weight, report.slots)
    elif worker.tunnel_url is not None:  # an old agent: everything that it is assigned, all of it there
        for name in worker.assigned_services:
            yield Endpoint.of(name, worker.tunnel_url)
