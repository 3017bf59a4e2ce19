"""The shared store of limits (Redis or Valkey), asked off the request's way: `policy/leases.py` says what for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from limits import RateLimitItemPerSecond

from edgeproxy.clock import monotonic
from edgeproxy.cluster.store.client import connect, limiter
from edgeproxy.cluster.store.url import store_url
from edgeproxy.policy.leases import Lease, Leases
from edgeproxy.policy.limit import NANO
from edgeproxy.runtime.logs import get_logger

AT_ONCE = 32
"""Questions on the way."""
MOST_WAITING = 1024
"""Questions that wait; with more, callers that are new have the machine's own limits only."""
PATIENCE = 0.5
"""Seconds for an answer."""
PAUSE = 1.0
"""Seconds for which a store that failed is not asked."""
AWAY = "shared_store_away"
"""Questions that were not answered, among `edgeproxy_faults_total`."""

log = get_logger(__name__)


class SharedStore:
    """`count` is told of each question without an answer. `run()` ends when cancelled."""

    def __init__(self, url: str, count: Callable[[str], None]) -> None:
        self._client = connect(store_url(url), PATIENCE, AT_ONCE)
        self._limiter = limiter(self._client)
        self._count = count
        self._waiting: list[Lease] = []
        self._wake = asyncio.Event()
        self._away_until = 0.0
        self._is_away = False
        self.leases = Leases(self.ask)

    def ask(self, lease: Lease) -> bool:
        """Ask for what the lease wants; False if that is not to be had now."""
        if monotonic() < self._away_until or len(self._waiting) >= MOST_WAITING:
            self._count(AWAY)
            return False
        self._waiting.append(lease)
        self._wake.set()
        return True

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                await self._answer(batch)

    async def close(self) -> None:
        await self._client.aclose()

    async def _answer(self, batch: Iterable[Lease]) -> None:
        await asyncio.gather(*(self._lease(lease) for lease in batch))

    async def _lease(self, lease: Lease) -> None:
        limit, wanted = lease.limit, lease.wanted
        item = RateLimitItemPerSecond(limit.amount, max(1, round(limit.period)))
        try:
            async with asyncio.timeout(PATIENCE):
                granted = await self._limiter.hit(item, lease.label, cost=wanted)
        except Exception as error:  # whatever the client library raises, the request's way goes on
            self._failed(error)
            self.leases.unanswered(lease)
            return
        self._answered()
        if granted:
            self.leases.granted(lease, wanted)
        else:
            self.leases.refused(lease, wanted, int(monotonic() * NANO))

    def _failed(self, error: Exception) -> None:
        self._count(AWAY)
        self._away_until = monotonic() + PAUSE
        if not self._is_away:
            self._is_away = True
            log.warning("the shared store is away, this machine's own limits go on", reason=type(error).__name__)

    def _answered(self) -> None:
        if self._is_away:
            self._is_away = False
            log.info("the shared store answers again")
