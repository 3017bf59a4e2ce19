"""Lent machines join a running coordinator and serve users through each kind of exposure; parts die and heal."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import ssl
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
import httpx
import psutil
import pytest
import trustme

from tests.e2e.lent import KEY, AgentProcess, CoordinatorProcess, until
from tests.e2e.processes import ROOT, Process, Proxy, free_port

NOTES = "notes-coa"
DOCUMENTS = "document-processing"
NER = "ner-extraction"
StartAgent = Callable[..., AgentProcess]
StartProxy = Callable[..., Proxy]


@pytest.fixture
def coordinator(started: list[Process], tmp_path: Path) -> CoordinatorProcess:
    process = CoordinatorProcess(tmp_path / "coordinator.log")
    started.append(process)
    return process


@pytest.fixture
def agent(started: list[Process], tmp_path: Path, coordinator: CoordinatorProcess) -> StartAgent:
    def start(
        worker_id: str = "m1", services: tuple[str, ...] = (NOTES,), kind: str = "cpu", **more: str
    ) -> AgentProcess:
        variables = {"AGENT_SERVICES": ",".join(services), **more}
        log = tmp_path / f"{worker_id}.log"
        process = AgentProcess(log, coordinator.url, services, worker_id, kind, **variables)
        started.append(process)
        return process

    return start


@pytest.fixture
def edge(proxy: StartProxy, coordinator: CoordinatorProcess) -> Proxy:
    return proxy(COORDINATOR_URL=coordinator.url, API_KEY=KEY, EDGEPROXY_WORKER_LIST_REFRESH="0.3")


def asked(edge: Proxy, path: str) -> str:
    """Which machine answers there; empty while none does."""
    answer = httpx.get(edge.url + path, timeout=10)
    return str(answer.json()["name"]) if answer.status_code == 200 else ""


def test_direct(agent: StartAgent, coordinator: CoordinatorProcess, edge: Proxy) -> None:
    agent()
    assert until(lambda: asked(edge, f"/service/{NOTES}/x")) == "m1"
    assert coordinator.service_url("m1", NOTES).startswith("http://127.0.0.1:")
    assert coordinator.workers()["m1"]["capabilities"]["exposure"] == "direct"
    assert coordinator.workers()["m1"]["capabilities"]["edge_verified"] is True  # it was dialled back


def test_direct_all_services_at_one_port(agent: StartAgent, coordinator: CoordinatorProcess, edge: Proxy) -> None:
    unused_port = free_port()
    agent(services=(NOTES, DOCUMENTS), AGENT_PORT=str(unused_port))
    assert until(lambda: asked(edge, f"/service/{NOTES}/x")) == "m1"
    assert until(lambda: asked(edge, f"/service/{DOCUMENTS}/x")) == "m1"
    assert coordinator.service_url("m1", NOTES) == f"http://127.0.0.1:{unused_port}/service/{NOTES}"


def reversed_to(edge: Proxy) -> dict[str, str]:
    return {"AGENT_EXPOSE": "reverse", "AGENT_EDGES": edge.url}


def test_reverse_dial(agent: StartAgent, coordinator: CoordinatorProcess, edge: Proxy) -> None:
    agent(services=(NOTES, DOCUMENTS), **reversed_to(edge))
    assert until(lambda: asked(edge, f"/service/{NOTES}/x")) == "m1"
    assert until(lambda: asked(edge, f"/service/{DOCUMENTS}/x")) == "m1"
    assert coordinator.service_url("m1", NOTES) == f"reverse://m1/service/{NOTES}"
    with httpx.Client(base_url=edge.url, timeout=20) as client:
        seen = client.get(f"/service/{NOTES}/a/b?c=d", headers={"X-Mine": "1"}).json()
        assert seen["path"] == "/a/b?c=d"
        assert seen["headers"]["X-Mine"] == "1"
        assert seen["headers"]["X-Forwarded-For"].startswith("127.0.0.1")
        assert seen["headers"]["X-Forwarded-Host"] == f"127.0.0.1:{edge.port}"
        content = os.urandom(3_000_000)
        assert client.post(f"/service/{NOTES}/echo", content=content).json()["size"] == len(content)
        assert client.get(f"/service/{NOTES}/bytes/5000000").content == b"\xa5" * 5_000_000


async def test_reverse_dial_carries_events_unbuffered_and_cancellation_at_once(agent: StartAgent, edge: Proxy) -> None:
    agent(**reversed_to(edge))
    await asyncio.to_thread(until, lambda: asked(edge, f"/service/{NOTES}/x"))
    base = f"{edge.url}/service/{NOTES}"
    async with aiohttp.ClientSession() as session:
        arrivals = []
        async with session.get(f"{base}/events?count=4&pause=0.3") as answer:
            async for _ in answer.content.iter_any():
                arrivals.append(time.monotonic())
        assert len(arrivals) == 4
        assert min(later - earlier for earlier, later in itertools.pairwise(arrivals)) > 0.1
        answer = await session.get(f"{base}/events?count=1000&pause=0.01&id=gone")
        await answer.content.readany()
        answer.close()
        async with asyncio.timeout(5):
            while True:
                async with session.get(f"{base}/cancelled?id=gone") as told:
                    if await told.json():
                        break
                await asyncio.sleep(0.02)


def test_reverse_dial_to_an_edge_that_speaks_tls(
    agent: StartAgent, proxy: StartProxy, coordinator: CoordinatorProcess, tmp_path: Path
) -> None:
    """Encrypted from the machine to the edge; requests go down the same connection."""
    ca, certificate, key = tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem"
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(ca))
    leaf = authority.issue_cert("localhost")
    leaf.cert_chain_pems[0].write_to_path(str(certificate))
    leaf.private_key_pem.write_to_path(str(key))
    edge = proxy(
        COORDINATOR_URL=coordinator.url,
        API_KEY=KEY,
        EDGEPROXY_WORKER_LIST_REFRESH="0.3",
        EDGEPROXY_TLS_CERT=str(certificate),
        EDGEPROXY_TLS_KEY=str(key),
    )
    url = f"https://localhost:{edge.port}"
    agent(AGENT_EXPOSE="reverse", AGENT_EDGES=url, SSL_CERT_FILE=str(ca))
    trusting = ssl.create_default_context(cafile=str(ca))
    with httpx.Client(base_url=f"{url}/service/{NOTES}", verify=trusting, timeout=20) as client:
        until(lambda: client.get("/x").status_code == 200)
        seen = client.get("/a?b=c").json()
        assert (seen["path"], seen["headers"]["X-Forwarded-Proto"]) == ("/a?b=c", "https")
        content = os.urandom(1_000_000)
        assert client.post("/echo", content=content).json()["size"] == len(content)
        assert client.get("/bytes/3000000").content == b"\xa5" * 3_000_000


async def test_reverse_dial_carries_websockets(agent: StartAgent, edge: Proxy) -> None:
    agent(**reversed_to(edge))
    await asyncio.to_thread(until, lambda: asked(edge, f"/service/{NOTES}/x"))
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{edge.url}/service/{NOTES}/ws") as socket:
        for text in ("one", "two"):
            await socket.send_str(text)
            assert await socket.receive_str() == text


async def test_a_burst_gets_the_connections_that_it_needs(agent: StartAgent, edge: Proxy) -> None:
    agent(**reversed_to(edge))
    await asyncio.to_thread(until, lambda: asked(edge, f"/service/{NOTES}/x"))
    async with aiohttp.ClientSession() as session:

        async def one() -> int:
            async with session.get(f"{edge.url}/service/{NOTES}/sleep/0.5") as answer:
                return answer.status

        assert set(await asyncio.gather(*(one() for _ in range(60)))) == {200}


def test_a_machine_that_dies_is_left_at_once_and_heals(agent: StartAgent, edge: Proxy) -> None:
    first = agent("m1", **reversed_to(edge))
    agent("m2", **reversed_to(edge))
    until(lambda: {asked(edge, f"/service/{NOTES}/x") for _ in range(8)} == {"m1", "m2"})
    os.kill(first.pid, signal.SIGKILL)
    answers = [asked(edge, f"/service/{NOTES}/x") for _ in range(50)]
    assert set(answers[20:]) == {"m2"}
    assert "" not in answers  # all of them are idempotent: none may fail
    agent("m1", **reversed_to(edge))
    until(lambda: {asked(edge, f"/service/{NOTES}/x") for _ in range(8)} == {"m1", "m2"})


def test_nobody_dials_in_for_another_machine(agent: StartAgent, coordinator: CoordinatorProcess, edge: Proxy) -> None:
    agent(**reversed_to(edge))
    until(lambda: asked(edge, f"/service/{NOTES}/x"))

    def dial(worker: str, token: str, upgrade: str = "edgeproxy-reverse") -> int:
        fields = {"Connection": "Upgrade", "Upgrade": upgrade, "Edgeproxy-Worker": worker, "Edgeproxy-Token": token}
        return httpx.get(f"{edge.url}/.well-known/edgeproxy/reverse", headers=fields).status_code

    assert dial("m1", "x" * 43) == 403
    assert dial("nobody", "x" * 43) == 403
    assert dial("m1", "short") == 403
    assert dial("m1", "x" * 43, "h2c") == 426
    assert asked(edge, f"/service/{NOTES}/x") == "m1"


def test_a_service_that_is_killed_is_started_again(agent: StartAgent, edge: Proxy) -> None:
    process = agent(**reversed_to(edge))
    until(lambda: asked(edge, f"/service/{NOTES}/x"))
    child = psutil.Process(process.pid).children()[0]
    child.kill()
    until(lambda: [c for c in psutil.Process(process.pid).children() if c.pid != child.pid])
    assert until(lambda: asked(edge, f"/service/{NOTES}/x")) == "m1"


def test_edge_and_coordinator_restart_and_the_machine_is_there_again(
    agent: StartAgent, started: list[Process], coordinator: CoordinatorProcess, edge: Proxy, tmp_path: Path
) -> None:
    agent(**reversed_to(edge))
    until(lambda: asked(edge, f"/service/{NOTES}/x"))
    coordinator.signal(signal.SIGKILL)
    coordinator.wait()
    assert asked(edge, f"/service/{NOTES}/x") == "m1"  # the edge needs no coordinator for it
    again = CoordinatorProcess(tmp_path / "again.log", coordinator.port)
    started.append(again)
    until(lambda: "m1" in again.workers())
    edge.signal(signal.SIGHUP)  # every process is replaced
    time.sleep(0.5)
    assert until(lambda: asked(edge, f"/service/{NOTES}/x")) == "m1"


STANDIN = Path(__file__).parent.parent / "agent" / "cloudflared.py"


def tunnelled(tmp_path: Path) -> dict[str, str]:
    """By a program that prints what cloudflared prints: Cloudflare itself cannot be reached from a test."""
    program = tmp_path / "cloudflared"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {STANDIN} "$@"\n')
    program.chmod(0o755)
    return {"AGENT_EXPOSE": "tunnel", "CLOUDFLARED": str(program)}


def target_of(process: AgentProcess) -> str:
    """Where the tunnel program was told to bring requests: the agent's gateway."""
    child = next(c for c in psutil.Process(process.pid).children() if "--url" in c.cmdline())
    return child.cmdline()[child.cmdline().index("--url") + 1]


def test_tunnel(agent: StartAgent, coordinator: CoordinatorProcess, tmp_path: Path) -> None:
    process = agent(services=(NOTES, DOCUMENTS), **tunnelled(tmp_path))
    url = coordinator.service_url("m1", NOTES)
    host, _, path = url.removeprefix("https://").partition("/")
    assert host.endswith(".trycloudflare.com")
    assert path == f"service/{NOTES}"
    worker = coordinator.workers()["m1"]
    assert until(lambda: coordinator.workers()["m1"]["tunnel_url"]) == f"https://{host}"
    assert worker["capabilities"]["tunnel_limits"]["max_requests_in_flight"] == 200
    # what Cloudflare would bring, it brings to the gateway, by path
    answer = httpx.get(f"{target_of(process)}/service/{NOTES}/a?b=c", headers={"Host": host})
    assert answer.json()["path"] == "/a?b=c"
    assert answer.json()["headers"]["X-Forwarded-Host"] == host
    until(lambda: coordinator.service_url("m1", DOCUMENTS) == f"https://{host}/service/{DOCUMENTS}")
    # its program dies, and has another name when it comes back: the coordinator learns of it
    next(c for c in psutil.Process(process.pid).children() if "--url" in c.cmdline()).kill()
    again = until(lambda: (u := coordinator.service_url("m1", NOTES)) != url and u)
    assert again.endswith(f".trycloudflare.com/service/{NOTES}")
    until(lambda: coordinator.workers()["m1"]["tunnel_url"] == again.removesuffix(f"/service/{NOTES}"))


def test_named_tunnel(agent: StartAgent, coordinator: CoordinatorProcess, tmp_path: Path) -> None:
    agent(**tunnelled(tmp_path), TUNNEL_URL="https://m1.example.org", TUNNEL_TOKEN="secret token")
    assert coordinator.service_url("m1", NOTES) == f"https://m1.example.org/service/{NOTES}"
    assert coordinator.workers()["m1"]["capabilities"]["tunnel_limits"] == {"seconds_of_silence": 100}


def test_a_blocked_tunnel_is_told_in_one_line(agent: StartAgent, tmp_path: Path) -> None:
    process = agent(**tunnelled(tmp_path), STANDIN_FAILS="1")
    until(lambda: process.logged("Cloudflare gives no quick tunnel: try later, or give TUNNEL_TOKEN and TUNNEL_URL"))


def test_the_owner_takes_the_machine_back_and_lends_it_again(
    agent: StartAgent, coordinator: CoordinatorProcess, edge: Proxy
) -> None:
    process = agent(**reversed_to(edge))
    until(lambda: asked(edge, f"/service/{NOTES}/x"))
    pids = [child.pid for child in psutil.Process(process.pid).children()]
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(asked, edge, f"/service/{NOTES}/sleep/1")
        time.sleep(0.3)
        process.signal(signal.SIGUSR1)
        until(lambda: "m1" not in coordinator.workers())
        assert slow.result() == "m1"  # what was under way ended well
    until(lambda: not any(psutil.pid_exists(pid) for pid in pids))
    assert process.logged("leaving")[0]["reason"] == "its owner has said so"
    until(lambda: httpx.get(f"{edge.url}/service/{NOTES}/x").status_code == 503)
    process.signal(signal.SIGUSR2)
    assert until(lambda: asked(edge, f"/service/{NOTES}/x")) == "m1"


def test_outside_its_hours_a_machine_does_not_join(agent: StartAgent, coordinator: CoordinatorProcess) -> None:
    tomorrow = (datetime.now().astimezone() + timedelta(days=2)).strftime("%a")
    process = agent(AGENT_HOURS=f"{tomorrow} 00:00-24:00")
    until(lambda: process.logged("not lent"))
    assert coordinator.workers() == {}
    process.signal(signal.SIGTERM)
    assert process.wait() == 0


def test_a_service_that_is_down_costs_users_nothing_where_another_machine_has_it(
    agent: StartAgent, edge: Proxy
) -> None:
    """Not even a POST: its own agent knows that it has seen nothing of the request."""
    first = agent("m1", **reversed_to(edge))
    agent("m2", **reversed_to(edge))
    until(lambda: {asked(edge, f"/service/{NOTES}/x") for _ in range(8)} == {"m1", "m2"})
    service = psutil.Process(first.pid).children()[0]
    service.suspend()  # keeps its port, so that nothing else is started there meanwhile
    service.kill()
    statuses = [httpx.post(f"{edge.url}/service/{NOTES}/echo", content=b"x").status_code for _ in range(20)]
    assert set(statuses) == {200}


def test_an_edge_machine_runs_the_edge_tiers_own_services(
    agent: StartAgent, coordinator: CoordinatorProcess, tmp_path: Path
) -> None:
    ports = {name: free_port() for name in ("coordinator", "edge-proxy", "load-balancer")}
    services = tmp_path / "edge.toml"
    built_in = (ROOT / "coordinator" / "agent" / "services.toml").read_text()
    for name, port in ports.items():
        built_in = built_in.replace(f"[services.{name}]\n", f"[services.{name}]\nport = {port}\n")
    services.write_text(built_in)
    agent("u1", kind="cpu")
    for machine, own in (("e1", "coordinator,edge-proxy"), ("e2", "load-balancer")):
        agent(machine, (), kind="edge", AGENT_SERVICES=own, AGENT_SERVICES_FILE=str(services))
    for machine, name in (("e1", "coordinator"), ("e1", "edge-proxy"), ("e2", "load-balancer")):
        assert coordinator.service_url(machine, name) == f"http://127.0.0.1:{ports[name]}"
    assert until(lambda: httpx.get(f"http://127.0.0.1:{ports['coordinator']}/health").status_code == 200)
    for entrance in ("edge-proxy", "load-balancer"):  # the one finds the machine, the other finds the one
        path = f"http://127.0.0.1:{ports[entrance]}/service/{NOTES}/x"
        assert until(lambda url=path: (a := httpx.get(url)).status_code == 200 and a.json()["name"]) == "u1"


@pytest.mark.parametrize("kind", ["gpu", "storage"])
def test_machines_of_the_other_tiers_serve_too(
    agent: StartAgent, coordinator: CoordinatorProcess, edge: Proxy, kind: str
) -> None:
    service = {"gpu": "llm-inference", "storage": "chromadb"}[kind]
    agent("m1", (service,), kind=kind, **reversed_to(edge))
    assert until(lambda: asked(edge, f"/service/{service}/x")) == "m1"
    assert coordinator.workers()["m1"]["worker_type"] == kind
