"""Two machines share a limit by sentinels and by a cluster, which lose a server and get it back."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edgeproxy.net.store import AWAY, SharedStore
from edgeproxy.policy.leases import Lease
from edgeproxy.policy.limit import Limit
from edgeproxy.runtime.tasks import hold
from tests.redis_sets import Cluster, Sentinels, ask

# a connection that is given up in haste is closed a turn of the loop later, which a test that ends does not make
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")

WITHIN = 40.0
A_HUNDRED = Limit("some", 100, 3600.0)


class Machine:
    """One with its lease of the limit that all share."""

    def __init__(self, url: str) -> None:
        self.counts: Counter[str] = Counter()
        self.store = SharedStore(url, self._count)
        self.task = hold(self.store.run())

    def _count(self, fault: str) -> None:
        self.counts[fault] += 1

    async def takes(self) -> int | None:
        """Tokens that the store gives at a question; None for no answer."""
        lease, before = Lease("all", A_HUNDRED), self.counts[AWAY]
        lease.pending = self.store.ask(lease)
        async with asyncio.timeout(WITHIN):
            while lease.pending:
                await asyncio.sleep(0.005)
        return lease.tokens if self.counts[AWAY] == before else None

    async def takes_all(self) -> int:
        taken = 0
        while tokens := await self.takes():
            taken += tokens
        return taken

    async def leave(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task
        await self.store.close()


@pytest.fixture(params=[Sentinels, Cluster])
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sentinels | Cluster]:
    servers = request.param(tmp_path)
    yield servers
    servers.stop()


async def test_a_limit_outlives_a_server(servers: Sentinels | Cluster) -> None:
    machines = [Machine(servers.url), Machine(servers.url)]
    one, other = machines
    await eventually(one, lambda taken: taken is not None)
    assert sum([await one.takes() or 0 for _ in range(10)]) == 20
    assert await other.takes_all() <= 78, "no more than the hundred, of which the first question took two"
    assert await one.takes() == 0, "and nothing is left for the first"

    lost = servers.primary() if isinstance(servers, Sentinels) else servers.owner(_key(servers))
    lost.kill()
    await eventually(one, lambda taken: taken is None)
    assert one.counts[AWAY]
    if isinstance(servers, Cluster):
        await asyncio.to_thread(lost.start)
    for machine in machines:
        await eventually(machine, lambda taken: taken is not None)
        before = machine.counts[AWAY]
        assert await machine.takes() is not None
        assert machine.counts[AWAY] == before
    for machine in machines:
        await machine.leave()


async def test_a_silent_sentinel_leaves_time_for_the_others(tmp_path: Path) -> None:
    """Within the half second that a question has: else a limit would never be had again."""
    servers = Sentinels(tmp_path)
    servers.sentinels[0].pause()
    machine = Machine(servers.url)
    try:
        await eventually(machine, lambda taken: taken is not None)
    finally:
        servers.sentinels[0].resume()
        await machine.leave()
        servers.stop()


async def eventually(machine: Machine, holds: Callable[[int | None], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not holds(await machine.takes()):
            await asyncio.sleep(0.1)


def _key(servers: Cluster) -> str:
    """Of the limit, as the library names it."""
    keys = [key for node in servers.nodes for key in _list(ask(node, "KEYS", "edgeproxy:*"))]
    assert keys, "the limit is nowhere"
    return keys[0]


def _list(value: object) -> list[str]:
    assert isinstance(value, list)
    return value
