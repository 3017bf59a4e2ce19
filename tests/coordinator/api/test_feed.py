"""The change feed: at once, later, resumed, lost; and that it ends."""

import asyncio
from typing import Any

import orjson
import pytest
from aiohttp.test_utils import TestClient

from coordinator.api import feed
from coordinator.api.state import State
from edgeproxy.cluster.messages import Registration


def join(state: State, worker_id: str) -> None:
    state.registry.register(Registration(worker_id=worker_id, capabilities={}), state.clock())


async def poll(client: TestClient, question: str = "", expect: int = 200) -> Any:
    async with client.get(f"/v1/events{question}") as response:
        assert response.status == expect
        return await response.json()


async def test_from_a_mark_on(client: TestClient, state: State) -> None:
    start = await poll(client)
    assert (start["events"], start["reset"]) == ([], False)
    join(state, "a")
    page = await poll(client, f"?after={start['mark']}")
    assert {event["worker_id"] for event in page["events"]} == {"a"}
    assert page["events"][0]["kind"] == "registered"
    assert (await poll(client, f"?after={page['mark']}"))["events"] == []


async def test_a_question_rests_until_something_changes(client: TestClient, state: State) -> None:
    mark = (await poll(client))["mark"]
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(poll(client, f"?after={mark}&wait=30"))
        while not state.watchers:
            await asyncio.sleep(0.001)
        join(state, "a")
        assert [event["kind"] for event in (await asking)["events"]][:1] == ["registered"]
    assert state.watchers == set()


async def test_what_is_not_routed_by_wakes_no_edge(client: TestClient, state: State) -> None:
    mark = (await poll(client))["mark"]
    state.registry.events.add("load", state.clock().wall, "a", "healthy", "0.50")
    assert (await poll(client, f"?after={mark}"))["events"] != []
    page = await poll(client, f"?after={mark}&wait=0.05&routing=true")
    assert page["events"] == []
    assert page["mark"] != mark  # read, all the same


@pytest.mark.parametrize("mark", ["", "x", "00000000-0", "0-", "-1", "é", "%00"])
async def test_a_mark_that_says_nothing_is_a_reset(client: TestClient, state: State, mark: str) -> None:
    page = await poll(client, f"?after={mark}&wait=30")
    assert (page["reset"], page["mark"]) == (True, state.registry.events.mark)


async def test_long_histories_come_in_pages(client: TestClient, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MOST_EVENTS", 3)
    mark = (await poll(client))["mark"]
    for number in range(10):
        state.registry.events.add("load", state.clock().wall, f"w{number}")
    seen: list[str] = []
    while (page := await poll(client, f"?after={mark}"))["events"]:
        assert len(page["events"]) <= 3
        seen += [event["worker_id"] for event in page["events"]]
        mark = page["mark"]
    assert seen == [f"w{number}" for number in range(10)]


@pytest.mark.parametrize("wait", ["x", "-1", "nan", "inf"])
async def test_a_wait_that_is_none(client: TestClient, wait: str) -> None:
    assert "wait" in (await poll(client, f"?after=x&wait={wait}", 422))["detail"]


async def test_the_stream_is_resumed_by_its_last_id(client: TestClient, state: State) -> None:
    stream = {"Accept": "text/event-stream"}
    async with client.get("/v1/events", headers=stream) as response:
        assert response.content_type == "text/event-stream"
        await response.content.readuntil(b"\n\n")
        join(state, "a")
        frame = (await response.content.readuntil(b"\n\n")).decode()
    fields = dict(line.split(": ", 1) for line in frame.strip().split("\n"))
    assert fields["event"] == "registered"
    assert orjson.loads(fields["data"])["worker_id"] == "a"
    join(state, "b")
    async with client.get("/v1/events", headers={**stream, "Last-Event-ID": fields["id"]}) as response:
        await response.content.readuntil(b"\n\n")
        text = ""
        while '"b"' not in text:
            text = (await response.content.readuntil(b"\n\n")).decode()
        assert "event: registered" in text or "event: assigned" in text
    async with client.get("/v1/events", headers={**stream, "Last-Event-ID": "gone-1"}) as response:
        await response.content.readuntil(b"\n\n")
        assert (await response.content.readuntil(b"\n\n")).startswith(b"event: reset\n")


async def test_who_waits_is_answered_when_we_leave(client: TestClient, state: State) -> None:
    mark = (await poll(client))["mark"]
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(poll(client, f"?after={mark}&wait=30"))
        while not state.watchers:
            await asyncio.sleep(0.001)
        state.draining = True
        state.wake_watchers()
        assert (await asking)["events"] == []


async def test_readers_have_a_number(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MOST_WATCHERS", 0)
    await poll(client, "", 503)
