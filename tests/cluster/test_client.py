"""The client against real HTTP servers that answer what the test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from edgeproxy.cluster import client as client_module
from edgeproxy.cluster.client import CoordinatorClient, CoordinatorError, base_urls
from edgeproxy.cluster.messages import EdgeReport, Heartbeat, Registration, WorkerSeen

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Start = Callable[[Answer], Awaitable[str]]

EMPTY: dict[str, Any] = {"workers": [], "services": ["notes-coa"], "settled": True}


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start(answer: Answer) -> str:
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", answer)
            server = await stack.enter_async_context(TestServer(app))
            return str(server.make_url("")).rstrip("/")

        yield start


def saying(status: int, body: Any = None, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=headers)

    return answer


async def test_it_says_what_the_contract_says(start: Start) -> None:
    seen: list[tuple[str, str, str | None, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        seen.append((request.method, request.raw_path, request.headers.get("X-API-Key"), body))
        if request.path.endswith("register"):
            return web.json_response({"worker_id": "w", "worker_type": "edge", "tier": 4, "heartbeat_interval": 5})
        return web.json_response({"status": "ok", "assigned_services": ["edge-proxy"]})

    url = await start(answer)
    async with CoordinatorClient(url + "/base/", "k") as client:
        registered = await client.register(Registration(capabilities={"cpu_cores": 2}))
        heard = await client.heartbeat(Heartbeat(worker_id="w"))
        await client.unregister("w+1")
    assert (registered.worker_id, registered.heartbeat_interval) == ("w", 5.0)
    assert heard.assigned_services == ["edge-proxy"]
    assert [row[:3] for row in seen] == [
        ("POST", "/base/api/worker/register", "k"),
        ("POST", "/base/api/worker/heartbeat", "k"),
        ("DELETE", "/base/api/worker/unregister/w%2B1", "k"),
    ]
    assert seen[0][3]["capabilities"] == {"cpu_cores": 2}


async def test_the_list_comes_once_while_it_does_not_change(start: Start) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("If-None-Match") == 'W/"1"':
            return web.Response(status=304)
        return web.json_response(EMPTY, headers={"ETag": 'W/"1"'})

    async with CoordinatorClient(await start(answer)) as client:
        listed = await client.worker_list()
        assert listed is not None
        assert (listed.workers, listed.services, listed.settled, listed.etag) == ([], ["notes-coa"], True, 'W/"1"')
        assert await client.worker_list(listed.etag) is None


async def test_a_coordinator_that_forgot_us_says_404(start: Start) -> None:
    async with CoordinatorClient(await start(saying(404, {"detail": "Worker not found"}))) as client:
        with pytest.raises(CoordinatorError, match="Worker not found") as caught:
            await client.heartbeat(Heartbeat(worker_id="w"))
    assert caught.value.status == 404


async def test_the_chain_is_tried_in_order_and_who_answered_comes_first(start: Start) -> None:
    calls: list[str] = []

    def counting(name: str, status: int) -> Answer:
        async def answer(_: web.Request) -> web.Response:
            calls.append(name)
            return web.json_response(EMPTY, status=status)

        return answer

    broken, good = await start(counting("broken", 503)), await start(counting("good", 200))
    async with CoordinatorClient(f"http://127.0.0.1:1, {broken}, {good}") as client:
        await client.worker_list()
        await client.worker_list()
        assert client.url == good
    assert calls == ["broken", "good", "good"]


async def test_an_answer_is_an_answer_even_if_it_is_no(start: Start) -> None:
    first = await start(saying(403, {"detail": "Invalid API key"}))
    second = await start(saying(200, EMPTY))
    async with CoordinatorClient([first, second]) as client:
        with pytest.raises(CoordinatorError, match="Invalid API key"):
            await client.worker_list()


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (saying(500, {"detail": "broken"}), 500, "broken"),
        (saying(500, ["?"]), 500, "no detail"),
        (saying(200, "a string"), None, "no WorkerList"),
        (saying(200, {"workers": "none"}), None, "no WorkerList"),
        (saying(302, Location="http://evil/"), 302, "redirects to http://evil/"),
    ],
)
async def test_every_failure_is_one_kind_of_error(start: Start, answer: Answer, status: int | None, words: str) -> None:
    async with CoordinatorClient(await start(answer), "secret") as client:
        with pytest.raises(CoordinatorError, match=words) as caught:
            await client.worker_list()
    assert caught.value.status == status


async def test_no_json_is_an_error(start: Start) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="<html>")

    async with CoordinatorClient(await start(answer)) as client:
        with pytest.raises(CoordinatorError, match="not JSON"):
            await client.read("/x")


async def test_a_coordinator_that_hangs_is_given_up(start: Start) -> None:
    async def answer(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async with CoordinatorClient(await start(answer), timeout=0.1) as client:
        with pytest.raises(CoordinatorError, match="in time") as caught:
            await client.worker_list()
    assert caught.value.status is None


async def test_an_endless_answer_is_given_up(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MAX_ANSWER", 1000)
    async with CoordinatorClient(await start(saying(200, "x" * 1001))) as client:
        with pytest.raises(CoordinatorError, match="longer than"):
            await client.read("/x")


async def test_a_connection_that_breaks_is_an_error(start: Start) -> None:
    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async with CoordinatorClient(await start(answer)) as client:
        with pytest.raises(CoordinatorError) as caught:
            await client.worker_list()
    assert caught.value.status is None


def test_the_comma_list() -> None:
    assert base_urls(" http://a:1/ ,, https://b/x ") == ("http://a:1", "https://b/x")
    for wrong in ("", " , ", "http://a, ftp://b"):
        with pytest.raises(ValueError, match="URL"):
            base_urls(wrong)


async def test_an_edge_tells_what_it_saw(start: Start) -> None:
    seen: list[tuple[str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.raw_path, await request.json()))
        return web.json_response({"status": "ok", "heartbeat_interval": 4})

    worker = WorkerSeen(service="notes-coa", url="http://a:8000", requests=5, failures=1, latency=0.2)
    report = EdgeReport(edge_id="edge-1", seconds=10.0, workers=[worker])
    async with CoordinatorClient(await start(answer)) as client:
        heard = await client.report(report)
    assert heard.heartbeat_interval == 4.0
    assert seen == [("/api/edge/report", report.model_dump(mode="json"))]
    assert EdgeReport.model_validate(seen[0][1]) == report
