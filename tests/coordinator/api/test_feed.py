"""The change feed: at once, later, resumed, lost; and that it ends."""

import asyncio
import contextlib
import logging
import socket
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


async def test_readers_of_one_address_have_a_number(
    client: TestClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MOST_OF_ADDRESS", 2)
    mark = (await poll(client))["mark"]
    through_a_proxy = {"Via": "1.1 edge"}
    question = f"/v1/events?after={mark}&wait=30"
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(client.get(question, headers=through_a_proxy)) for _ in range(2)]
        while len(state.watchers) < 2:
            await asyncio.sleep(0.001)
        async with client.get(question, headers=through_a_proxy) as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "5")
        waiting.append(group.create_task(client.get(question)))  # a program of this machine itself
        while len(state.watchers) < 3:
            await asyncio.sleep(0.001)
        join(state, "a")
        for task in waiting:
            assert (await task).status == 200
            (await task).release()
    assert state.watchers_of == {}


async def test_who_does_not_read_is_let_go_and_resumes(
    client: TestClient, state: State, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(feed, "WRITE_TIMEOUT", 0.05)
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(slow, ("127.0.0.1", client.port))
    await loop.sock_sendall(slow, b"GET /v1/events HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n")
    while not state.watchers:
        await asyncio.sleep(0.001)
    mark = state.registry.events.mark
    async with asyncio.timeout(20):
        while state.watchers:  # what it does not take is not kept for it
            state.registry.events.add("load", state.clock().wall, "w", "healthy", "x" * 10_000)
            await asyncio.sleep(0)
    with slow, contextlib.suppress(ConnectionResetError):
        while await loop.sock_recv(slow, 1 << 16):
            pass
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    page = await poll(client, f"?after={mark}")
    assert page["reset"] or page["events"][0]["revision"] == 1


async def test_who_has_left_waits_no_more(client: TestClient, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "LOOK", 0.01)
    mark = (await poll(client))["mark"]
    _, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(f"GET /v1/events?after={mark}&wait=60 HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    while not state.watchers:
        await asyncio.sleep(0.001)
    writer.close()
    async with asyncio.timeout(20):
        while state.watchers:
            await asyncio.sleep(0.001)
