"""The backend, byte for byte: a backend that is wrong would make every peer look right."""

import asyncio
import json
from collections.abc import AsyncIterator
from time import monotonic_ns
from unittest.mock import Mock

import pytest

from bench.asking import Asker, request
from bench.backend import MAX_BODY, MAX_HEAD, Backend, House, connection, payload
from bench.backend.events import PER_SECOND, STREAM_HEAD, Ticker
from edgeproxy.cluster.messages import WorkerList
from edgeproxy.discovery.coordinator import snapshot_of


def talk(*pieces: bytes) -> tuple[bytes, bool]:
    """What it answers to these pieces, and whether it closed."""
    transport = Mock()
    backend = Backend(House())
    backend.connection_made(transport)
    for piece in pieces:
        backend.data_received(piece)
    answer = b"".join(call.args[0] for call in transport.write.call_args_list)
    return answer, transport.close.called


def get(size: int | str) -> bytes:
    return f"GET /bytes/{size} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


def post(body: bytes, length: int) -> bytes:
    return b"POST /upload HTTP/1.1\r\ncontent-LENGTH:  %d \r\n\r\n" % length + body


@pytest.mark.parametrize("size", [0, 1, 251, 252, 100_000])
def test_a_download_has_its_length_and_its_bytes(size: int) -> None:
    answer, closed = talk(get(size))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nContent-Length: %d" % size in head
    assert body == payload(size)
    assert len(body) == size
    assert not closed


def test_a_lost_block_changes_every_byte_that_follows() -> None:
    whole = payload(10_000)
    assert whole[:4096] + whole[8192:] != whole[: 10_000 - 4096]


def test_an_upload_is_counted_once_and_the_connection_goes_on() -> None:
    answer, closed = talk(post(payload(1000), 1000), get(3))
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b"\r\n\r\n1000HTTP/1.1" in answer
    assert answer.endswith(b"\r\n\r\n" + payload(3))
    assert not closed


@pytest.mark.parametrize("request_bytes", [get(20), post(payload(40), 40)])
def test_pieces_of_one_byte_make_the_same_answer(request_bytes: bytes) -> None:
    pieces = [request_bytes[at : at + 1] for at in range(len(request_bytes))]
    assert talk(*pieces) == talk(request_bytes)


@pytest.mark.parametrize(
    "request_bytes",
    [
        get("x"),
        get(MAX_BODY + 1),
        get("9" * 5000),
        get(1) + get(1),
        b"GET /watch/1/2/x/4 HTTP/1.1\r\n\r\n",
        b"GET /counted/x HTTP/1.1\r\n\r\n",
        b"PUT /upload HTTP/1.1\r\nContent-Length: 1\r\n\r\n\0",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST /upload HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        post(b"", MAX_BODY + 1),
        post(b"\x01", 10),
        post(payload(11), 10),
        b"GET /bytes/1 HTTP/1.1\r\nX: " + b"x" * MAX_HEAD,
    ],
)
def test_what_it_does_not_know_it_refuses(request_bytes: bytes) -> None:
    answer, closed = talk(request_bytes)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"200 OK" not in answer
    assert closed


@pytest.fixture
async def port() -> AsyncIterator[int]:
    house = House()
    server = await asyncio.get_running_loop().create_server(lambda: Backend(house), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def ask(port: int, line: str, identity: str = "", body_bytes: int | None = None) -> bytes:
    asker = await Asker.to(port)
    answer = await asker.ask(request(line, identity, body_bytes))
    asker.close()
    assert answer.status == 200
    return answer.body


async def test_what_is_named_is_counted_and_told_once(port: int) -> None:
    assert await ask(port, "GET /service/ner/counted/3", "a") == payload(3)
    for _ in range(2):
        assert await ask(port, "POST /v1/chat/completions", "b", 10) == b"10"
    await ask(port, "GET /bytes/3", "c")
    assert json.loads(await ask(port, "GET /executed")) == {"a": 1, "b": 2}
    assert json.loads(await ask(port, "GET /executed")) == {}


async def test_a_request_that_did_not_arrive_whole_was_not_executed(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("POST /upload", "a", 10)[:-1])
    await writer.drain()
    assert json.loads(await ask(port, "GET /executed")) == {}
    writer.close()


async def test_only_a_counted_connection_is_closed_when_idle(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "RACE_IDLE_S", 0.02)
    counted, plain = await Asker.to(port), await Asker.to(port)
    await counted.ask(request("GET /counted/1", "a"))
    await plain.ask(request("GET /bytes/1"))
    async with asyncio.timeout(5):
        while not counted.closed:
            await asyncio.sleep(0.01)
    assert not plain.closed
    plain.close()


@pytest.mark.parametrize("way", ["silent", "mute"])
async def test_it_tells_when_a_request_came_and_when_its_client_left(port: int, way: str) -> None:
    began = monotonic_ns()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(f"GET /{way}", "a"))
    arrived = int(await ask(port, "GET /arrived/a"))
    if way == "silent":
        assert (await reader.read(1000)).startswith(STREAM_HEAD + b"a0\r\ndata: ")
    async with asyncio.TaskGroup() as group:
        left = group.create_task(ask(port, "GET /left/a"))
        await asyncio.sleep(0.02)
        assert not left.done()
        writer.close()
    assert began < arrived < int(left.result()) < monotonic_ns()


def test_its_fleet_is_one_that_the_edge_understands() -> None:
    transport = Mock()
    transport.get_extra_info.return_value = ("127.0.0.1", 1234)
    backend = Backend(House())
    backend.connection_made(transport)
    backend.data_received(request("GET /api/coordinator/workers"))
    body = transport.write.call_args.args[0].partition(b"\r\n\r\n")[2]
    snapshot = snapshot_of(WorkerList.model_validate_json(body))
    urls = {name: [endpoint.url for endpoint in pool] for name, pool in snapshot.endpoints.items()}
    assert set(urls) == {"llm-inference", "ner-extraction", "notes-coa"}
    assert all(pool == ["http://127.0.0.1:1234"] for pool in urls.values())


async def test_events_keep_their_rate_after_a_pause_and_end_with_their_stream() -> None:
    ticker, sink = Ticker(), Mock()
    slot = ticker.add(sink)
    await asyncio.sleep(0.01)
    began = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() < began + 0.5:
        pass  # nothing can be sent meanwhile
    await asyncio.sleep(0.06)
    elapsed = asyncio.get_running_loop().time() - began
    sent = sink.write.call_count
    assert 0.5 * PER_SECOND <= sent <= (elapsed + 0.1) * PER_SECOND + 2
    numbers = [int(call.args[0].rpartition(b"data: ")[2][21:29]) for call in sink.write.call_args_list]
    assert numbers == list(range(sent))
    ticker.remove(sink, slot)
    await asyncio.sleep(0.06)
    assert sink.write.call_count == sent
