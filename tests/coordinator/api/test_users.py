"""Users' requests through the coordinator, to real workers: what reaches them, what comes back, what is refused."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from aiohttp import ClientError, web
from aiohttp.test_utils import TestClient, TestServer, unused_port
from yarl import URL

from coordinator import relay as relays
from coordinator.api import guard
from coordinator.api.app import build_app
from coordinator.api.state import State
from coordinator.api.users import RELAY
from coordinator.identity.gate import Caller
from coordinator.registry import Worker
from coordinator.relay import Relay
from edgeproxy.cluster.messages import Registration

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class EarnestServer(TestServer):
    """Handlers of one whose client leaves go on, as they do in earnest."""

    async def _make_runner(self, **more: Any) -> web.BaseRunner:
        return await super()._make_runner(**{**more, "handler_cancellation": False})


@pytest.fixture
async def users(state: State) -> AsyncIterator[TestClient]:
    """A coordinator that passes requests on."""
    app = build_app(state)
    async with Relay(partial(guard.is_secret, state)) as relay:
        app[RELAY] = relay
        async with TestClient(EarnestServer(app)) as client:
            yield client


@pytest.fixture
async def worker(state: State) -> AsyncIterator["Recorder"]:
    """One that runs document-processing, and says what it was asked."""
    recorder = Recorder()
    async with recorder.server:
        join(state, "doc-1", str(recorder.server.make_url("")))
        yield recorder


class Recorder:
    """`answer` may be changed by a test."""

    def __init__(self) -> None:
        self.heads: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[bytes] = []
        self.answer: Handler = self.usual
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self.take)
        self.server = TestServer(app)

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.heads.append((request.method, request.raw_path, dict(request.headers)))
        return await self.answer(request)

    async def usual(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.read())
        headers = {"Content-Disposition": 'attachment; filename="a.pdf"', "Set-Cookie": "a=b", "ETag": '"1"'}
        return web.Response(body=b"%PDF\x00\xff", content_type="application/pdf", headers=headers)


def join(state: State, worker_id: str, url: str, service: str = "document-processing", **more: Any) -> None:
    report = {"name": service, "service_url": url.rstrip("/"), "port": 8103, "status": "healthy"}
    body = {"worker_id": worker_id, "capabilities": {"worker_type": "cpu"}, "services": [report], **more}
    state.registry.register(Registration.model_validate(body), state.clock(), near=True)


async def test_what_a_worker_gets_and_what_comes_back(users: TestClient, worker: Recorder) -> None:
    headers = {"Authorization": "Bearer user.jwt", "Connection": "close, X-Hop", "X-Hop": "1", "X-Request-ID": "mine"}
    path = "/service/upload/uploads/c%201/scan.pdf?source=a%2Fb&limit=1000"
    async with users.post(
        URL(path, encoded=True), data=b"\x00\xffbody", headers={**headers, "Content-Type": "image/png"}
    ) as response:
        assert response.status == 200, await response.text()
        assert await response.read() == b"%PDF\x00\xff"
        assert response.headers["Content-Disposition"] == 'attachment; filename="a.pdf"'
        assert response.headers["ETag"] == '"1"'
        assert response.headers["X-Request-ID"] == "mine"
        assert response.headers["Content-Security-Policy"] == "sandbox"  # it cannot speak for the operators' pages
        assert "Set-Cookie" not in response.headers
    ((method, asked, seen),) = worker.heads
    assert (method, asked) == ("POST", "/uploads/c%201/scan.pdf?source=a%2Fb&limit=1000")
    assert worker.bodies == [b"\x00\xffbody"]
    assert (seen["Authorization"], seen["Content-Type"]) == ("Bearer user.jwt", "image/png")
    assert (seen["Via"], seen["X-Forwarded-For"]) == ("1.1 coordinator", "127.0.0.1")
    assert "X-Hop" not in seen
    assert seen["Host"] == f"127.0.0.1:{worker.server.port}"


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/service/document-processing", ""),
        ("/service/document-processing/", "/"),
        ("/api/service/upload/clients", "/clients"),
        ("/clients", "/clients"),
        ("/uploads/c1/f.pdf?x=1", "/uploads/c1/f.pdf?x=1"),
    ],
)
async def test_the_names_of_three_generations(users: TestClient, worker: Recorder, path: str, asked: str) -> None:
    async with users.get(path) as response:
        assert response.status == 200
    assert worker.heads[0][1] == (asked or "/")


@pytest.mark.parametrize(
    ("path", "service", "body", "asked"),
    [
        ("llm", "llm-inference", {"prompt": "hi", "max_tokens": 3}, "/v1/completions"),
        ("llm", "llm-inference", {"messages": [{"role": "user", "content": "hi"}]}, "/v1/chat/completions"),
        ("vision", "vision-ocr", {"image": "x"}, "/process"),
        ("rag/query", "rag-embeddings", {"question": "?"}, "/query"),
        ("graph/extract", "ner-extraction", {"markdown": "#"}, "/extract"),
    ],
)
async def test_inference_by_older_names(
    users: TestClient, state: State, worker: Recorder, path: str, service: str, body: Any, asked: str
) -> None:
    join(state, "model", str(worker.server.make_url("")), service)
    async with users.post(f"/api/inference/{path}", json=body) as response:
        assert response.status == 200, await response.text()
    assert worker.heads[0][:2] == ("POST", asked)
    assert worker.bodies[0].replace(b" ", b"") == str(body).replace("'", '"').replace(" ", "").encode()


async def test_answers_stream_as_they_come(users: TestClient, worker: Recorder) -> None:
    go_on = asyncio.Event()

    async def slowly(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await go_on.wait()
        await response.write(b"data: 2\n\n")
        return response

    worker.answer = slowly
    async with users.get("/service/upload/stream") as response:
        assert await response.content.readuntil(b"\n\n") == b"data: 1\n\n"
        go_on.set()
        assert await response.read() == b"data: 2\n\n"


async def test_one_that_cannot_be_reached_costs_the_next_ones_try(
    users: TestClient, state: State, worker: Recorder
) -> None:
    join(state, "doc-0", f"http://127.0.0.1:{unused_port()}")
    for _ in range(8):
        async with users.post("/service/upload/process", data=b"x" * 100_000) as response:
            assert response.status == 200
    assert {len(body) for body in worker.bodies} == {100_000}


async def test_the_errors_in_the_old_words(users: TestClient, state: State, worker: Recorder) -> None:
    async with users.get("/service/llm/x") as response:
        body = await response.json()
        assert (response.status, body["error"], body["service"]) == (503, "Service not available", "llm-inference")
        assert body["available_services"] == ["document-processing"]
    join(state, "gone", f"http://127.0.0.1:{unused_port()}", "notes-coa")
    async with users.get("/service/notes/x") as response:
        assert (response.status, (await response.json())["error"]) == (503, "Service temporarily unavailable")

    async def break_off(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    worker.answer = break_off
    async with users.post("/service/upload/x", data=b"once") as response:
        assert (response.status, (await response.json())["error"]) == (502, "Service proxy error")
    assert len(worker.heads) == 1  # it may have been done: it is not asked again


async def test_half_an_answer_is_not_a_whole_one(users: TestClient, worker: Recorder) -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    worker.answer = half
    with pytest.raises(ClientError):
        async with users.get("/service/upload/x") as response:
            await response.read()


@pytest.mark.parametrize(
    "path", ["/service/upload/../x", "/service/upload/%2e%2e/x", "/service/upload/a/./b", "/service/upload/.%2E"]
)
async def test_no_path_leads_out_of_the_service(users: TestClient, worker: Recorder, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", users.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
    assert (await reader.readline()).split()[1] == b"400"
    writer.close()
    await writer.wait_closed()
    assert worker.heads == []


@pytest.mark.parametrize("host", ["169.254.169.254", "localhost@evil", "evil.example/", "..", "a:80"])
async def test_the_asker_chooses_a_service_never_a_host(users: TestClient, host: str) -> None:
    async with users.get(f"/service/{host}/x") as response:
        assert response.status in (404, 503)


async def test_who_may_ask(users: TestClient, state: State, worker: Recorder) -> None:
    elsewhere = {"X-Forwarded-For": "203.0.113.9"}
    async with users.get("/service/upload/x", headers=elsewhere) as response:
        assert response.status == 403
    state.api_key, state.users = "s3cret", lambda caller: False
    for headers, status in (({}, 403), ({"X-API-Key": "no"}, 403), ({"X-API-Key": "s3cret"}, 200)):
        async with users.get("/service/upload/x", headers=headers) as response:
            assert response.status == status
    assert "X-API-Key" not in worker.heads[-1][2]  # ours, and for nobody else
    seen: list[Caller] = []
    state.users = lambda caller: bool(seen.append(caller)) or True
    claims = {"X-Real-IP": "198.51.100.1", "Forwarded": "for=198.51.100.1", "CF-Connecting-IP": "198.51.100.1"}
    async with users.get("/service/upload/x", headers={**elsewhere, **claims, "X-API-Key": "theirs"}) as response:
        assert response.status == 200
    assert (seen[0].direct, seen[0].loopback) == (False, False)
    assert worker.heads[-1][2]["X-API-Key"] == "theirs"
    assert worker.heads[-1][2]["X-Forwarded-For"] == "203.0.113.9, 127.0.0.1"
    assert not claims.keys() & worker.heads[-1][2].keys()


async def test_bounds(users: TestClient, worker: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relays, "MAX_UPLOAD", 1000)
    async with users.post("/service/upload/x", data=b"x" * 1001) as response:
        assert response.status == 413

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 100

    async with users.post("/service/upload/x", data=endless()) as response:
        assert response.status == 413
    monkeypatch.setattr(relays, "UPLOAD_SILENCE", 0.01)

    async def stalled() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(1)

    async with users.post("/service/upload/x", data=stalled()) as response:
        assert response.status == 408
    monkeypatch.setattr(relays, "MOST_OF_ADDRESS", 0)
    async with users.get("/service/upload/x") as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "2")


async def test_who_leaves_frees_the_worker(
    users: TestClient, worker: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relays, "LOOK", 0.01)
    arrived, left = asyncio.Event(), asyncio.Event()

    async def silent(request: web.Request) -> web.StreamResponse:
        arrived.set()
        try:
            return await asyncio.Future()
        finally:
            left.set()

    worker.answer = silent
    async with asyncio.timeout(10):
        _, writer = await asyncio.open_connection("127.0.0.1", users.port)
        writer.write(b"GET /service/upload/x HTTP/1.1\r\nHost: h\r\n\r\n")
        await arrived.wait()
        writer.close()
        await left.wait()
        while users.server.app[RELAY].under_way:  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)


async def test_coordinators_do_not_ask_each_other_in_circles(users: TestClient, state: State) -> None:
    join(state, "self", f"http://127.0.0.1:{users.port}", "coordinator")
    state.open = True
    async with users.get("/service/coordinator" * 6 + "/health") as response:
        assert response.status == 508


async def test_a_worker_that_only_edges_reach_is_asked_through_one(
    users: TestClient, state: State, worker: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge = str(worker.server.make_url("")).rstrip("/")
    join(state, "edge-1", edge, "edge-proxy", capabilities={"worker_type": "edge"})
    reverse = {"document-processing": "reverse://doc-1/documents", "edge-proxy": edge}
    monkeypatch.setattr(Worker, "url_of", lambda self, service: reverse[service])
    async with users.get("/service/upload/clients?limit=1") as response:
        assert response.status == 200
    assert worker.heads[0][1] == "/service/document-processing/clients?limit=1"
