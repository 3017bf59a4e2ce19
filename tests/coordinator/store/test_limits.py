"""Coordinators of one site on a real Redis allow an address together what one of them would; without it, each by
itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from coordinator.api.limits import Limits, Rate
from coordinator.store import limits as limits_module
from coordinator.store.limits import AWAY, SharedLimits, SharedRate
from edgeproxy.runtime.tasks import hold
from tests.e2e.processes import free_port
from tests.redis import Redis

ALONE = 0.2 * 60 + 5  # what one coordinator lets through in a minute
LATER = 1e6


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(free_port(), tmp_path)
    yield server
    server.stop()


class One:
    """A coordinator of the site, as far as its limits go. Its clock runs as fast as it asks."""

    def __init__(self, url: str) -> None:
        self.counts: Counter[str] = Counter()
        self.limits = Limits(of_guesser=Rate(0.2, 5))
        self.shared = SharedLimits(url, "here", self.limits, self._count)
        self.task = hold(self.shared.run())
        self.now = 1000.0

    def _count(self, what: str) -> None:
        self.counts[what] += 1

    async def guesses(self, number: int, address: str) -> int:
        """How many pass of so many, five seconds of the coordinator's clock apart: locally all would."""
        passed = 0
        for _ in range(number):
            self.now += 5.0
            passed += self.limits.of_guesser.wait(address, self.now) == 0
            await self.shared.tell()
        return passed


@pytest.fixture
async def site(server: Redis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[One]]:
    monkeypatch.setattr(limits_module, "TURN", LATER)  # the tests say when it tells
    monkeypatch.setattr(limits_module, "PAUSE", LATER)
    site = [One(server.url), One(server.url)]
    yield site
    for one in site:
        one.task.cancel()
        with suppress(asyncio.CancelledError):
            await one.task


async def test_who_was_refused_here_is_refused_there(site: list[One]) -> None:
    a, b = site
    passed = await a.guesses(10, "192.0.2.1") + await b.guesses(30, "192.0.2.1")
    assert ALONE <= passed <= ALONE + 3, "one more may pass before the store has said no, or as a minute ends"
    assert await a.guesses(3, "192.0.2.1") <= 2
    assert await b.guesses(5, "192.0.2.2") == 5, "another address"


async def test_what_passed_before_the_store_said_no_is_owed(site: list[One]) -> None:
    a, _ = site
    rate = a.limits.of_guesser
    assert isinstance(rate, SharedRate)
    await a.guesses(int(ALONE), "192.0.2.1")
    for _ in range(5):
        a.now += 100.0
        rate.wait("192.0.2.1", a.now)
    await a.shared.tell()
    assert rate.owed["192.0.2.1"] >= 1
    assert rate.wait("192.0.2.1", a.now + 1000.0) > 0


async def test_loopback_is_somebody_else_at_each(site: list[One]) -> None:
    a, b = site
    assert await a.guesses(20, "127.0.0.1") == await b.guesses(20, "127.0.0.1") == 20


async def test_without_the_store_each_goes_on_by_its_own_limit_and_says_so(site: list[One], server: Redis) -> None:
    a, b = site
    await a.guesses(40, "192.0.2.1")
    assert await a.guesses(1, "192.0.2.1") == 0
    server.kill()
    await a.shared.tell()
    assert a.counts[AWAY] == 1
    assert await a.guesses(30, "192.0.2.1") == await b.guesses(30, "192.0.2.1") == 30
    assert a.limits.of_guesser.wait("192.0.2.1", a.now) == 0
    assert [a.limits.of_guesser.wait("192.0.2.1", a.now) > 0 for _ in range(5)][-1], "the local limit holds"
    server.start()
    before = a.counts[AWAY]
    passed = await a.guesses(30, "192.0.2.1") + await b.guesses(30, "192.0.2.1")
    assert passed <= ALONE + 5 + 3, "what was owed to a store that was away is forgiven, and then it counts again"
    assert a.counts[AWAY] - before <= 1


async def test_memory_has_an_end(site: list[One], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits_module, "MOST", 10)
    a, _ = site
    rate = a.limits.of_guesser
    assert isinstance(rate, SharedRate)
    for number in range(100):
        assert rate.wait(f"192.0.2.{number}", 1000.0) == 0
    assert len(rate.owed) == 10
    await a.shared.tell()
    assert not rate.owed
