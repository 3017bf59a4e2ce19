"""Probes over real sockets: what each kind of silence is called, and what must never be asked."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from coordinator import prober as module
from coordinator.prober import GuardedResolver, Prober, Refused, may_be_asked, said_by_peer, verdict_of
from coordinator.registry import Registry
from edgeproxy.cluster.messages import Registration

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}"


def answering(status: int, **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers)

    return handler


@pytest.fixture
async def prober(registry: Registry, clock: Any) -> AsyncIterator[Prober]:
    async with Prober(registry, clock) as prober:
        yield prober


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(200, "alive"), (404, "alive"), (503, "alive"), (302, "alive"), (502, "silent"), (530, "silent")],
)
async def test_any_answer_is_a_life_sign_but_a_gateways_regret(prober: Prober, status: int, verdict: str) -> None:
    async with serving(answering(status)) as url:
        assert await prober.ask(url + "/health") == verdict


async def test_a_redirect_is_not_followed_and_nothing_secret_is_sent(prober: Prober) -> None:
    asked: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request)
        return web.Response(status=302, headers={"Location": "/elsewhere", "Set-Cookie": "a=b"})

    async with serving(handler) as url:
        for _ in range(2):
            assert await prober.ask(url + "/health") == "alive"
    assert [request.path for request in asked] == ["/health", "/health"]
    assert not {"Cookie", "Authorization", "X-API-Key"} & {name for request in asked for name in request.headers}


async def test_a_closed_port_is_refused(prober: Prober) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert await prober.ask(f"http://127.0.0.1:{port}/") == "refused"


async def test_one_that_accepts_and_says_nothing_is_silent(prober: Prober, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        assert await prober.ask(f"http://127.0.0.1:{mute.getsockname()[1]}/") == "silent"


async def test_a_lost_handshake_is_tried_again_within_the_patience(
    prober: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 20.0)
    monkeypatch.setattr(module, "TRY_AGAIN", 0.05)
    answers: list[bytes] = [b"", b"", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answers.pop(0))  # a fourth connection would be one too many
        await reader.read()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        assert await prober.ask(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/health") == "alive"
    assert not answers


async def test_one_that_hangs_up_is_silent_and_one_that_talks_nonsense_too(prober: Prober) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answers.pop())
        writer.close()

    answers = [b"SSH-2.0-OpenSSH\r\n", b""]
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert [await prober.ask(url), await prober.ask(url)] == ["silent", "silent"]


async def test_a_body_without_end_costs_nothing(prober: Prober) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"x" * 65536)
            await asyncio.sleep(0.01)
        return response

    async with serving(endless) as url:
        assert await prober.ask(url) == "alive"


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (OSError(errno.ECONNREFUSED, ""), "refused"),
        (OSError(errno.ENETUNREACH, ""), "unknown"),
        (OSError(errno.EMFILE, ""), "unknown"),
        (Refused(errno.EPERM, ""), "unknown"),
        (OSError(errno.ECONNRESET, ""), "silent"),
        (OSError(errno.EHOSTUNREACH, ""), "silent"),
        (aiohttp.ServerDisconnectedError(), "silent"),
        (aiohttp.InvalidURL("x"), "unknown"),
    ],
)
def test_what_errors_say(error: Exception, verdict: str) -> None:
    assert verdict_of(error) == verdict


@pytest.mark.parametrize(
    ("host", "address", "good"),
    [
        ("w1", "10.0.0.7", True),
        ("w1", "203.0.113.9", True),
        ("w1", "127.0.0.1", False),
        ("w1", "::1", False),
        ("w1", "::ffff:127.0.0.1", False),
        ("localhost", "127.0.0.1", True),
        ("w1", "169.254.169.254", False),
        ("w1", "fe80::1%eth0", False),
        ("w1", "::ffff:169.254.169.254", False),
        ("w1", "0.0.0.0", False),
        ("w1", "100.100.100.200", False),
        ("w1", "fd00:ec2::254", False),
        ("w1", "64:ff9b::a9fe:a9fe", False),
        ("w1", "64:ff9b::7f00:1", False),
        ("w1", "224.0.0.1", False),
        ("w1", "nonsense", False),
    ],
)
def test_where_a_name_may_lead(host: str, address: str, good: bool) -> None:
    assert may_be_asked(host, address) is good


async def test_a_name_that_leads_to_metadata_is_not_asked(prober: Prober, monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(*_: object, **__: object) -> list[dict[str, object]]:
        return [{"hostname": "x", "host": "169.254.169.254", "port": 80, "family": 2, "proto": 0, "flags": 0}]

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolve)
    with pytest.raises(Refused):
        await GuardedResolver().resolve("evil.example", 80)
    assert await prober.ask("http://evil.example/") == "unknown"


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, b'{"verdict":"alive"}', "alive"),
        (200, b'{"verdict":"absent"}', "absent"),
        (200, b'{"verdict":["alive"]}', "absent"),
        (200, b"[]", "absent"),
        (200, b"<html>", "absent"),
        (403, b'{"verdict":"alive"}', "absent"),
    ],
)
def test_what_a_peer_says_is_checked(status: int, body: bytes, verdict: str) -> None:
    assert said_by_peer(status, body) == verdict


def register(registry: Registry, clock: Any, url: str) -> Any:
    services = [{"name": "notes-coa", "service_url": url}]
    body = {"worker_id": "w", "capabilities": {}, "services": services}
    return registry.register(Registration.model_validate(body), clock())


async def settle(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_worker_is_reached_then_dies_with_its_connection(registry: Registry, clock: Any) -> None:
    async with Prober(registry, clock) as prober:
        async with serving(answering(200)) as url:
            worker = register(registry, clock, url)
            prober.launch()
            await settle(lambda: worker.reached is True)
        registry.broken("w", clock())
        prober.launch()
        await settle(lambda: not worker.live)


async def test_a_peer_that_reaches_it_keeps_it(registry: Registry, clock: Any) -> None:
    asked = []

    async def peer(request: web.Request) -> web.Response:
        asked.append((request.path, request.headers["X-API-Key"], await request.json()))
        return web.json_response({"verdict": "alive"})

    async with serving(peer) as peer_url, Prober(registry, clock, [peer_url], "s3cret") as prober:
        async with serving(answering(200)) as url:
            worker = register(registry, clock, url)
            prober.launch()
            await settle(lambda: worker.reached is True)
        assert asked == []  # we reached it ourselves
        clock.move(14)
        registry.advance(clock())
        prober.launch()
        await settle(lambda: worker.status == "degraded")
    assert asked == [("/v1/probe", "s3cret", {"url": url + "/health"})]


async def test_probes_at_once_are_bounded(registry: Registry, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(module, "MOST_FOR_PEERS", 0)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        async with Prober(registry, clock) as prober:
            for number in range(5):
                body = {
                    "worker_id": f"w{number}",
                    "capabilities": {},
                    "tunnel_url": f"http://127.0.0.1:{mute.getsockname()[1]}",
                }
                registry.register(Registration.model_validate(body), clock())
            prober.launch()
            prober.launch()
            assert len(registry.take_probes(10)) == 3
            assert await prober.ask_for_peer("http://127.0.0.1:1/") is None
