"""Coordinators of one site on a real Redis, which is started, killed and started again."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.federation.record import Record
from coordinator.store import site as site_module
from coordinator.store.engine import Engine, EngineDown, connect
from coordinator.store.site import version_text
from tests.coordinator.store.members import Member, until
from tests.e2e.processes import free_port
from tests.redis import Redis


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(free_port(), tmp_path)
    yield server
    server.stop()


@pytest.fixture
async def engine(server: Redis) -> AsyncIterator[Engine]:
    engine = Engine(connect(server.url), "here")
    yield engine
    await engine.close()


@pytest.fixture
async def members(server: Redis) -> AsyncIterator[list[Member]]:
    members = [Member(server.url, name) for name in ("a", "b", "c")]
    yield members
    for member in members:
        await member.leave()


async def test_what_one_knows_all_know(members: list[Member]) -> None:
    members[0].register("w1")
    members[1].register("w2")
    await until(lambda: all(member.keys() == {"w1", "w2"} for member in members))


async def test_a_worker_that_moves_has_one_home_and_a_stale_one_never_wins(members: list[Member]) -> None:
    a, b, c = members
    old = a.register("w1")
    await until(lambda: b.keys() == {"w1"})
    b.register("w1", epoch=2)
    await until(lambda: all(member.node.view.records["w1"].home == "b" for member in members))
    assert not a.node.publish(old.observed(1, 999), monotonic())
    assert c.node.view.records["w1"].home == "b"


async def test_without_the_engine_each_goes_on_alone_and_all_is_told_when_it_is_back(
    members: list[Member], server: Redis
) -> None:
    a, b, _ = members
    a.register("w1")
    await until(lambda: b.keys() == {"w1"})
    server.kill()
    await until(lambda: a.site.degraded and b.site.degraded)
    b.register("w2")
    assert b.keys() == {"w1", "w2"}
    assert a.keys() == {"w1"}
    server.start()  # it comes back empty: nothing was on its disk
    await until(lambda: all(member.keys() == {"w1", "w2"} for member in members))
    assert not any(member.site.degraded for member in members)


async def test_an_engine_that_answers_nonsense_is_down(server: Redis, members: list[Member]) -> None:
    await until(lambda: not members[0].site.degraded)
    client = connect(server.url)
    await client.flushall()
    await client.set("edgeproxy:{here}:w", "I am no hash")
    members[0].register("w1")
    await until(lambda: members[0].site.degraded)
    await client.delete("edgeproxy:{here}:w")
    await client.hset("edgeproxy:{here}:w", "x", b"[1,2]")
    members[1].register("w2")
    await asyncio.sleep(0.5)
    assert members[0].site.degraded
    await client.flushall()
    await client.aclose()
    await until(lambda: all(member.keys() == {"w1", "w2"} for member in members))


async def test_of_a_coordinator_that_died_the_workers_expire(
    members: list[Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_module, "LEASE", 1.0)
    monkeypatch.setattr(site_module, "OWN_EVERY", 0.2)
    a, b, c = members
    a.register("w1")
    b.register("w2")
    await until(lambda: c.keys() == {"w1", "w2"})
    await a.leave()
    await until(lambda: c.keys() == {"w2"})


async def test_one_sweeps_and_one_that_was_replaced_cannot(engine: Engine) -> None:
    fence = await engine.own("a", 0.2)
    assert fence == 1
    assert await engine.own("b", 10.0) == 0
    assert await engine.own("a", 0.2) == 1
    await asyncio.sleep(0.3)
    assert await engine.own("b", 10.0) == 2
    await engine.put([("w1", b"1", b"x")])
    assert await engine.expire("a", fence, -1.0) is None
    assert await engine.expire("b", 2, -1.0) == ["w1"]


async def test_the_greater_version_stays(engine: Engine) -> None:
    assert await engine.put([("w1", b"2", b"new")]) == 1
    assert await engine.put([("w1", b"1", b"old")]) == 0
    assert await engine.put([("w1", b"2", b"same")]) == 0
    assert await engine.load() == [b"new"]
    assert await engine.beat(["w1", "w9"]) == ["w9"]


async def test_changes_are_read_in_order_and_a_cut_log_is_noticed(engine: Engine) -> None:
    start = await engine.end()
    await engine.put([(f"w{n}", b"1", b"r%d" % n) for n in range(1_200)])
    seen: list[bytes] = []
    while len(seen) < 1_200:
        rows = await engine.changes(start)
        start = rows[-1][0]
        seen += [record for _, _, record in rows]
    assert seen == [b"r%d" % n for n in range(1_200)]
    with pytest.raises(EngineDown, match="load anew"):
        await engine.changes("1-1")


async def test_an_engine_that_came_back_empty_is_not_taken_for_the_one_that_was(server: Redis, engine: Engine) -> None:
    """So quickly that no question failed: what was told before is not there, and must be told again."""
    await engine.put([("w1", b"1", b"x")])
    position = await engine.end()
    assert await engine.changes(position) == []
    server.kill()
    server.start()
    with pytest.raises(EngineDown):
        await engine.changes(position)
    with pytest.raises(EngineDown, match="load anew"):
        await engine.changes(position)


async def test_an_engine_that_is_away_is_one_kind_of_error(server: Redis, engine: Engine) -> None:
    server.kill()
    for ask in (engine.load(), engine.end(), engine.put([("w", b"1", b"x")]), engine.changes("0-0")):
        with pytest.raises(EngineDown):
            await ask


NUMBERS = st.integers(0, 2**53 - 1)
RECORDS = st.builds(
    Record, st.just("w"), st.sampled_from(["a", "b"]), NUMBERS, st.integers(0, 3), st.integers(0, 3), NUMBERS
)


@given(RECORDS, RECORDS)
def test_the_engine_orders_as_we_do(one: Record, other: Record) -> None:
    assert (version_text(one) < version_text(other)) == (one.version < other.version)
    assert version_text(one) == version_text(replace(one, facts=b"{}"))
