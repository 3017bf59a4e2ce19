"""The stand-alone proxy with real processes and real clients: what users and operators see."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import aiohttp
import httpx
import pytest
import websockets

from tests.e2e.processes import Backend, Proxy, free_port, wait_for

StartBackend = Callable[..., Backend]
StartProxy = Callable[..., Proxy]


def test_curl_gets_an_answer_with_our_fields(backend: StartBackend, proxy: StartProxy) -> None:
    edge = proxy(EDGEPROXY_UPSTREAMS=backend().url)
    curl = subprocess.run(
        ["curl", "-si", "-H", "Connection: X-Secret", "-H", "X-Secret: 1", f"{edge.url}/a/b?c=d"],
        capture_output=True,
        check=True,
        timeout=10,
    )
    head, _, body = curl.stdout.partition(b"\r\n\r\n")
    seen = json.loads(body)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nVia: 1.1 edgeproxy\r\n" in head
    assert seen["path"] == "/a/b?c=d"
    assert seen["headers"]["X-Forwarded-For"] == "127.0.0.1"
    assert seen["headers"]["X-Forwarded-Host"] == f"127.0.0.1:{edge.port}"
    assert seen["headers"]["X-Request-ID"].encode() in head
    assert "X-Secret" not in seen["headers"]
    assert "Connection" not in seen["headers"]


@pytest.mark.parametrize("size", [0, 1, 65_536, 20_000_000])
def test_bodies_pass_whole_in_both_directions(backend: StartBackend, proxy: StartProxy, size: int) -> None:
    edge = proxy(EDGEPROXY_UPSTREAMS=backend().url)
    content = os.urandom(size)
    with httpx.Client(base_url=edge.url, timeout=30) as client:
        sent = client.post("/echo", content=content).json()
        chunked = client.post("/echo", content=iter([content[:1000], content[1000:]])).json()
        got = client.get(f"/bytes/{size}").content
    assert sent["size"] == chunked["size"] == size
    assert sent["sha256"] == chunked["sha256"] == hashlib.sha256(content).hexdigest()
    assert got == b"\xa5" * size


async def test_events_arrive_one_by_one(backend: StartBackend, proxy: StartProxy) -> None:
    edge = proxy(EDGEPROXY_UPSTREAMS=backend().url)
    arrivals = []
    async with aiohttp.ClientSession() as session, session.get(f"{edge.url}/events?count=4&pause=0.3") as answer:
        async for piece in answer.content.iter_any():
            arrivals.append((piece, time.monotonic()))
    assert [piece for piece, _ in arrivals] == [b"data: %d\n\n" % number for number in range(4)]
    gaps = [later - earlier for (_, earlier), (_, later) in itertools.pairwise(arrivals)]
    assert min(gaps) > 0.1  # written 0.3 s apart: none waited for the next


async def test_a_client_that_leaves_ends_the_work_at_once(backend: StartBackend, proxy: StartProxy) -> None:
    worker = backend()
    edge = proxy(EDGEPROXY_UPSTREAMS=worker.url)
    async with aiohttp.ClientSession() as session:
        answer = await session.get(f"{edge.url}/events?count=1000&pause=0.01&id=gone")
        await answer.content.readany()
        answer.close()
        await _until_cancelled(session, worker)


async def _until_cancelled(session: aiohttp.ClientSession, worker: Backend) -> None:
    async with asyncio.timeout(5):
        while True:
            async with session.get(f"{worker.url}/cancelled?id=gone") as answer:
                if await answer.json():
                    return
            await asyncio.sleep(0.02)


async def test_websocket_echo(backend: StartBackend, proxy: StartProxy) -> None:
    edge = proxy(EDGEPROXY_UPSTREAMS=backend().url)
    async with websockets.connect(f"ws://127.0.0.1:{edge.port}/ws") as socket_:
        for message in ["hello", b"\x00" * 300_000, "Grüße"]:
            await socket_.send(message)
            assert await socket_.recv() == message


def test_expect_continue_with_curl(backend: StartBackend, proxy: StartProxy) -> None:
    edge = proxy(EDGEPROXY_UPSTREAMS=backend().url)
    curl = subprocess.run(
        ["curl", "-sv", "-H", "Expect: 100-continue", "--data-binary", "@-", f"{edge.url}/echo"],
        input=b"x" * 100_000,
        capture_output=True,
        check=True,
        timeout=10,
    )
    assert b"< HTTP/1.1 100 Continue" in curl.stderr
    assert json.loads(curl.stdout)["size"] == 100_000


def test_malformed_bytes_get_400_and_a_closed_connection(backend: StartBackend, proxy: StartProxy) -> None:
    edge = proxy(EDGEPROXY_UPSTREAMS=backend().url)
    with socket.create_connection(("127.0.0.1", edge.port), 5) as sock:
        sock.settimeout(5)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        answer = b""
        while data := sock.recv(65536):
            answer += data
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer


def test_requests_in_one_packet_are_answered_in_order(backend: StartBackend, proxy: StartProxy) -> None:
    edge = proxy(EDGEPROXY_UPSTREAMS=backend().url)
    with socket.create_connection(("127.0.0.1", edge.port), 5) as sock:
        sock.settimeout(5)
        sock.sendall(
            b"GET /sleep/0.3 HTTP/1.1\r\nHost: a\r\n\r\nGET /bytes/3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        answer = b""
        while data := sock.recv(65536):
            answer += data
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.endswith(b"\xa5\xa5\xa5")


def test_a_dead_upstream_is_502_a_silent_one_504(backend: StartBackend, proxy: StartProxy) -> None:
    dead = proxy(EDGEPROXY_UPSTREAMS=f"http://127.0.0.1:{free_port()}")
    answer = httpx.get(dead.url)
    assert answer.status_code == 502
    assert answer.json()["type"] == "urn:edgeproxy:problem:connect_failed"
    silent = proxy("balance", EDGEPROXY_UPSTREAMS=backend().url, EDGEPROXY_TIMEOUT_FIRST_BYTE="0.5")
    answer = httpx.get(f"{silent.url}/sleep/5")
    assert answer.status_code == 504
    assert answer.json()["type"] == "urn:edgeproxy:problem:response_timeout"


def test_half_an_answer_is_not_passed_as_whole(backend: StartBackend, proxy: StartProxy) -> None:
    edge = proxy(EDGEPROXY_UPSTREAMS=backend().url)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{edge.url}/cut")


def test_round_robin_leaves_out_what_refuses(backend: StartBackend, proxy: StartProxy) -> None:
    one, two = backend("one"), backend("two")
    edge = proxy(EDGEPROXY_UPSTREAMS=f"{one.url},{two.url},http://127.0.0.1:{free_port()}", EDGEPROXY_PROCESSES="1")
    with httpx.Client(base_url=edge.url) as client:
        names = [client.get("/").json()["name"] for _ in range(20)]
    assert names.count("one") >= 8
    assert names.count("two") >= 8


@pytest.mark.parametrize("fault", ["kill", "stop and refuse"])
async def test_killing_one_of_two_replicas_under_load_costs_no_idempotent_request(
    backend: StartBackend, proxy: StartProxy, fault: str
) -> None:
    one, two = backend("one"), backend("two")
    edge = proxy(EDGEPROXY_UPSTREAMS=f"{one.url},{two.url}")
    statuses: list[int] = []
    names: set[str] = set()
    finished = asyncio.Event()

    async def client(session: aiohttp.ClientSession, method: str, path: str) -> None:
        while not finished.is_set():
            async with session.request(method, edge.url + path) as answer:
                statuses.append(answer.status)
                names.add((await answer.json())["name"])

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as clients:
        for number in range(16):
            clients.create_task(client(session, *(("GET", "/x"), ("PUT", "/echo"))[number % 2]))
        await asyncio.sleep(0.7)
        assert names == {"one", "two"}
        one.signal(signal.SIGKILL if fault == "kill" else signal.SIGTERM)
        await asyncio.sleep(1.5)
        finished.set()
    assert len(statuses) > 100
    assert set(statuses) == {200}


async def test_a_roll_and_a_drain_break_no_request(backend: StartBackend, proxy: StartProxy) -> None:
    edge = proxy(EDGEPROXY_UPSTREAMS=backend().url)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{edge.url}/events?count=30&pause=0.1") as stream:
            await stream.content.readany()
            edge.signal(signal.SIGHUP)
            for _ in range(40):
                async with session.get(f"{edge.url}/x") as answer:
                    assert answer.status == 200
                await asyncio.sleep(0.03)
            text = await stream.content.read()
            assert text.endswith(b"data: 29\n\n")
        async with session.get(f"{edge.url}/events?count=10&pause=0.1") as stream:
            await stream.content.readany()
            edge.signal(signal.SIGTERM)
            assert (await stream.content.read()).endswith(b"data: 9\n\n")
    assert edge.wait() == 0


def test_a_killed_process_is_replaced(backend: StartBackend, proxy: StartProxy) -> None:
    edge = proxy(EDGEPROXY_UPSTREAMS=backend().url)
    children = subprocess.run(["pgrep", "-P", str(edge.pid)], capture_output=True, text=True, check=True)
    for pid in children.stdout.split():
        os.kill(int(pid), signal.SIGKILL)
    for _ in range(10):
        wait_for(f"{edge.url}/x", edge)


def test_metrics_count_what_happened(backend: StartBackend, proxy: StartProxy) -> None:
    edge = proxy(EDGEPROXY_UPSTREAMS=backend().url)
    for _ in range(3):
        assert httpx.get(f"{edge.url}/x").status_code == 200
    expected = 'edgeproxy_requests_total{code="200",method="GET",route="upstreams"} 3.0'
    end = time.monotonic() + 10
    while expected not in (page := httpx.get(f"{edge.admin_url}/metrics").text) and time.monotonic() < end:
        time.sleep(0.1)
    assert expected in page


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"EDGEPROXY_PORT": "no"}, "error: EDGEPROXY_PORT=no: must be an integer"),
        ({"EDGEPROXY_PROT": "1"}, "error: EDGEPROXY_PROT is not a setting: did you mean EDGEPROXY_PORT?"),
        ({"EDGEPROXY_UPSTREAMS": "ftp://a"}, "error: EDGEPROXY_UPSTREAMS: 'ftp://a'"),
        ({"COORDINATOR_URL": "nowhere"}, "error: COORDINATOR_URL: "),
    ],
)
def test_a_wrong_variable_stops_the_start(variables: dict[str, str], message: str) -> None:
    environment = {"PATH": os.environ["PATH"], "EDGEPROXY_PORT": "0", "EDGEPROXY_ADMIN_PORT": "0", **variables}
    ended = subprocess.run(
        [sys.executable, "-m", "edgeproxy", "serve"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert ended.returncode == 78
    assert ended.stderr.startswith(message)
    assert ended.stderr.count("\n") == 1
