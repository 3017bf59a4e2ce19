"""The source of the list against a coordinator that the test plays: away, restarted, empty, wrong."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from edgeproxy.cluster.client import CoordinatorError
from edgeproxy.cluster.messages import WorkerList
from edgeproxy.cluster.services import SERVICES
from edgeproxy.discovery import coordinator as source_module
from edgeproxy.discovery.coordinator import CoordinatorSource, snapshot_of
from edgeproxy.discovery.snapshot import Snapshot


def old(name: str, *assigned: str, **more: Any) -> dict[str, Any]:
    return {"worker_id": name, "tunnel_url": f"http://{name}:8000", "assigned_services": list(assigned), **more}


def new(name: str, *services: tuple[str, str], **more: Any) -> dict[str, Any]:
    reports = [{"name": s, "service_url": f"http://{name}:81", "status": status} for s, status in services]
    return {"worker_id": name, "services": reports, "assigned_services": [s for s, _ in services], **more}


class FakeCoordinator:
    """Answers with `body`, or not at all while it is `away`; the ETag follows the body."""

    def __init__(self, *workers: dict[str, Any], settled: bool | None = True) -> None:
        self.away = False
        self.questions: list[str | None] = []
        self.say(*workers, settled=settled)

    def say(self, *workers: dict[str, Any], settled: bool | None = True, **more: Any) -> None:
        self.body = {"workers": list(workers), "services": ["notes-coa"], "settled": settled, **more}

    async def worker_list(self, etag: str | None = None) -> WorkerList | None:
        self.questions.append(etag)
        if self.away:
            raise CoordinatorError(None, "connection refused")
        now = f"etag of {self.body}"
        return None if etag == now else WorkerList.model_validate(self.body).model_copy(update={"etag": now})


class Seen(list[Snapshot]):
    def hosts(self) -> list[str]:
        return [endpoint.host for endpoint in self[-1].all_endpoints()]


@pytest.fixture
def seen() -> Seen:
    return Seen()


Make = Callable[..., CoordinatorSource]


def source(fake: FakeCoordinator, seen: Seen, **more: float) -> CoordinatorSource:
    return CoordinatorSource(fake, seen.append, **more)


def test_where_a_service_is() -> None:
    listed = WorkerList.model_validate(
        {
            "workers": [
                new(
                    "n", ("notes-coa", "healthy"), ("redis", "starting"), ("minio", "unhealthy"), tunnel_url="http://t"
                ),
                old("o", "notes-coa", "ner-extraction"),
                old("off", "notes-coa", status="offline"),
                old("late", "notes-coa", status="degraded"),
                old("nowhere", "notes-coa") | {"tunnel_url": None},
                new("idle"),
            ],
        }
    )
    snapshot = snapshot_of(listed)
    assert {name: [e.url for e in pool] for name, pool in snapshot.endpoints.items()} == {
        "notes-coa": ["http://late:8000", "http://n:81", "http://o:8000"],
        "ner-extraction": ["http://o:8000"],
    }
    assert snapshot.known_services == set(SERVICES)


async def test_a_picture_is_told_once(seen: Seen) -> None:
    fake = FakeCoordinator(old("a", "notes-coa"))
    src = source(fake, seen)
    for _ in range(3):
        await src.refresh()
    assert len(seen) == 1
    assert fake.questions[0] is None
    assert fake.questions[1:] == [f"etag of {fake.body}"] * 2
    fake.say(old("a", "notes-coa", current_load=0.5))
    await src.refresh()
    assert len(seen) == 1  # the load is not routed by
    fake.say(old("b", "notes-coa"))
    await src.refresh()
    assert seen.hosts() == ["b"]


async def test_an_empty_fleet_is_a_picture_too(seen: Seen) -> None:
    await source(FakeCoordinator(), seen).refresh()
    assert list(seen[0].endpoints) == []
    assert seen[0].known_services == {"notes-coa"}


async def test_the_last_list_stays_in_use_while_the_coordinator_is_away(
    seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeCoordinator(old("a", "notes-coa"))
    src = source(fake, seen)
    await src.refresh()
    fake.away = True
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            await src.refresh()
        fake.away = False
        await src.refresh()
    assert len(seen) == 1
    assert [line.partition(",")[0] for line in caplog.messages] == [
        "the coordinator is away",
        "the coordinator answers again",
    ]


async def test_after_the_ttl_the_whole_list_is_asked_for(seen: Seen) -> None:
    fake = FakeCoordinator(old("a", "notes-coa"))
    src = source(fake, seen, ttl_s=0.05)
    await src.refresh()
    fake.away = True
    await asyncio.sleep(0.1)
    fake.away = False
    await src.refresh()
    assert fake.questions == [None, None]
    assert seen.hosts() == ["a"]


async def test_a_coordinator_that_restarted_costs_nobody_a_worker(seen: Seen) -> None:
    fake = FakeCoordinator(old("a", "notes-coa"), old("b", "notes-coa"))
    src = source(fake, seen)
    await src.refresh()
    for partial in ([], [old("b2", "notes-coa")], [old("a", "ner-extraction")]):
        fake.say(*partial, settled=False)
        await src.refresh()
        assert "b" in seen.hosts()
    assert [e.service for e in seen[-1].all_endpoints() if e.host == "a"] == ["ner-extraction"]
    fake.say(old("a", "notes-coa"), settled=True)
    await src.refresh()
    assert seen.hosts() == ["a"]  # b did not come back


async def test_who_said_good_bye_to_a_young_coordinator_is_let_go_at_once(seen: Seen) -> None:
    fake = FakeCoordinator(old("a", "notes-coa"), old("b", "notes-coa"))
    src = source(fake, seen)
    await src.refresh()
    fake.say(settled=False, gone=["a"])
    await src.refresh()
    assert seen.hosts() == ["b"]
    fake.say(settled=False)
    await src.refresh()
    assert seen.hosts() == ["b"]  # and is not remembered again


async def test_nor_does_one_that_restarts_while_it_is_young(seen: Seen) -> None:
    fake = FakeCoordinator(old("a", "notes-coa"), settled=False)
    src = source(fake, seen, ttl_s=0.2)
    await src.refresh()
    fake.say(settled=False)
    await src.refresh()
    assert seen.hosts() == ["a"]
    await asyncio.sleep(0.25)
    await src.refresh()
    assert seen.hosts() == []  # but not longer than the ttl


async def test_an_empty_list_of_an_older_coordinator_keeps_the_last_for_at_most_the_ttl(seen: Seen) -> None:
    fake = FakeCoordinator(old("a", "notes-coa"), settled=None)
    src = source(fake, seen, ttl_s=0.2)
    await src.refresh()
    fake.say(settled=None)
    await src.refresh()
    assert seen.hosts() == ["a"]
    await asyncio.sleep(0.25)
    await src.refresh()
    assert seen.hosts() == []


async def test_an_empty_list_keeps_the_last_good_one_for_its_time(seen: Seen) -> None:
    """Whoever says it: health checks drop those who are gone, and a list that lost all at once is more likely wrong."""
    fake = FakeCoordinator(old("a", "notes-coa"))
    src = source(fake, seen, ttl_s=0.2)
    await src.refresh()
    fake.say(settled=True)
    await src.refresh()
    assert seen.hosts() == ["a"]
    await asyncio.sleep(0.25)
    await src.refresh()
    assert seen.hosts() == []


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def running(src: CoordinatorSource, condition: Callable[[], bool]) -> None:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(src.run())
        await until(condition)
        task.cancel()


async def test_it_refreshes_by_itself(seen: Seen) -> None:
    fake = FakeCoordinator(old("a", "notes-coa"))
    await running(source(fake, seen, refresh_s=0.01), lambda: len(fake.questions) >= 5)
    assert len(seen) == 1


async def test_it_tries_until_the_first_list_comes(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "FIRST_RETRY", 0.01)
    fake = FakeCoordinator(old("a", "notes-coa"))
    fake.away = True

    def third() -> bool:
        fake.away = len(fake.questions) < 3
        return bool(seen)

    await running(source(fake, seen, refresh_s=60), third)
    assert seen.hosts() == ["a"]


async def test_a_poke_asks_at_once_but_a_burst_asks_once(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "POKE_GAP", 0.1)
    fake = FakeCoordinator(old("a", "notes-coa"))
    src = source(fake, seen, refresh_s=60)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(src.run())
        await until(lambda: bool(seen))
        for _ in range(50):
            src.poke()
        await until(lambda: len(fake.questions) == 2)
        src.poke()
        await until(lambda: len(fake.questions) == 3)
        await asyncio.sleep(0.15)
        task.cancel()
    assert len(fake.questions) == 3
