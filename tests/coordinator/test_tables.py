"""The tables against a coordinator with a real HTTP server, and against liars."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from coordinator.api.app import build_app
from coordinator.api.state import State
from coordinator.tables import GAPS, SERVICES, WORKERS, show
from edgeproxy.cluster.messages import Registration


@contextmanager
def serving(app: Callable[[], web.Application]) -> Iterator[str]:
    """The command has a loop of its own: the server needs another thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)

    async def start() -> TestServer:
        server = TestServer(app())
        await server.start_server()
        return server

    server = run(start())
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        run(server.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_what_the_fleet_is(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    report = [
        {"name": "edge-proxy", "service_url": "http://h:1"},
        {"name": "load-balancer", "service_url": "http://h:2", "status": "starting"},
    ]
    for body in (
        {"worker_id": "new-1", "capabilities": {"worker_type": "edge"}, "services": report},
        {"worker_id": "old-1", "capabilities": {}, "tunnel_url": "http://old-1"},
    ):
        state.registry.register(Registration.model_validate(body), state.clock())
    with serving(lambda: build_app(state)) as url:
        assert show("workers", WORKERS, url, as_json=False) == 0
        assert show("gaps", GAPS, url, as_json=False) == 0
        assert show("services", SERVICES, url, as_json=False) == 0
        printed = capsys.readouterr().out
        assert show("gaps", GAPS, url, as_json=True) == 0
    assert orjson.loads(capsys.readouterr().out)["summary"]["total_services"] == 14
    words = " ".join(printed.split())
    assert "new-1 edge healthy 0 s ago" in words
    assert "(starting)" in words
    assert "(does not say)" in words
    assert "llm-inference gpu 1 0 critical" in words
    assert "edge-proxy warning 1 new-1" in words


@pytest.mark.parametrize("body", [[], {}, {"gaps": 7}, {"gaps": [1]}, {"gaps": [{}]}, {"gaps": {"x": None}}, "x"])
def test_something_else_than_a_coordinator(body: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def app() -> web.Application:
        async def answer(_: web.Request) -> web.Response:
            return web.json_response(body)

        app = web.Application()
        app.router.add_get("/api/admin/gaps", answer)
        return app

    with serving(app) as url:
        assert show("gaps", GAPS, url, as_json=False) == 1
    assert "not as a coordinator does" in capsys.readouterr().err


def test_nothing_but_printable_characters_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    row = dict.fromkeys(("service", "required_type", "priority", "current_workers", "status"), "\x1b]0;evil\x07[red]")

    def app() -> web.Application:
        async def answer(_: web.Request) -> web.Response:
            return web.json_response({"gaps": [row]})

        app = web.Application()
        app.router.add_get("/api/admin/gaps", answer)
        return app

    with serving(app) as url:
        assert show("gaps", GAPS, url, as_json=False) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\x07" not in printed
    assert "[red]" in printed.replace("\n", "")


def test_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert show("gaps", GAPS, "http://127.0.0.1:1", as_json=False) == 1
    assert capsys.readouterr().err == "error: http://127.0.0.1:1 cannot be asked: Connection refused\n"


def test_a_pipe_gets_one_line_a_row(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    name = "worker-" + "x" * 150
    body = {"worker_id": name, "tunnel_url": "http://s:8000", "capabilities": {"worker_type": "storage"}}
    state.registry.register(Registration.model_validate(body), state.clock())
    with serving(lambda: build_app(state)) as url:
        assert show("workers", WORKERS, url, as_json=False) == 0
    head, row = capsys.readouterr().out.rstrip("\n").split("\n")
    assert head.startswith("worker")
    assert name in row
    assert "chromadb, redis, postgres, minio, neo4j" in row
