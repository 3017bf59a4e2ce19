"""The federation's paths over HTTP: who is refused and how; the directory; certificates."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp.test_utils import TestClient, TestServer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from coordinator.api.app import build_app
from coordinator.api.state import STATE, State, new_worker_id, now
from coordinator.federation import wire
from coordinator.federation.bridge import Life
from coordinator.federation.messages import MAX_EXCHANGE, Exchange, HomeState
from coordinator.federation.record import UNSIGNED, Record
from coordinator.federation.roster import Roster
from coordinator.federation.routes import SHELL
from coordinator.federation.shell import Shell
from coordinator.identity.gate import Gate
from coordinator.identity.keys import CoordinatorKeys
from coordinator.registry import Registry
from edgeproxy.cluster.homes.directory import Directory
from edgeproxy.cluster.homes.trust import (
    Bundle,
    Certificate,
    open_certificate,
    parse,
    public_name,
    sign_bundle,
    sign_certificate,
)
from edgeproxy.runtime.tasks import hold

ROOT, PRIMARY, EU, MALLORY = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (11, 12, 13, 14))
KEYS = CoordinatorKeys(EU)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    at = datetime.now(UTC).timestamp()
    bundle = Bundle(3, at, at + 1000, (public_name(PRIMARY),))
    directory = Directory(bundle, sign_bundle(bundle, ROOT))
    certificate = Certificate(public_name(EU), "http://eu:1", "eu", "regional", "o", at, at + 1000)
    directory.add(sign_certificate(certificate, PRIMARY))
    roster = Roster(directory, tmp_path / "list", {public_name(ROOT)}, PRIMARY, "core", "http://core:1")
    return Shell(Registry(5.0, new_worker_id), CoordinatorKeys(PRIMARY), roster, now)


@pytest.fixture
async def client(shell: Shell) -> AsyncIterator[TestClient]:
    state = State(shell._registry, gate=Gate(CoordinatorKeys(PRIMARY)), federation=shell)
    app = build_app(state)
    app[SHELL] = shell
    async with TestClient(TestServer(app)) as client:
        yield client


def question(shell: Shell, **changes: object) -> Exchange:
    told = Exchange(KEYS.name, shell.node.name, 5, 1, 0, 0, (shell.node.boot, 0))
    return replace(told, **changes)  # type: ignore[arg-type]


async def post(client: TestClient, body: bytes, headers: dict[str, str]) -> int:
    async with client.post(wire.EXCHANGE_PATH, data=body, headers=headers) as response:
        return response.status


async def test_a_peer_is_answered_and_its_workers_are_listed(client: TestClient, shell: Shell) -> None:
    facts = orjson.dumps({"worker_id": "w1", "tunnel_url": "http://w1", "assigned_services": ["redis"]})
    record = Record(f"{KEYS.name}/w1", KEYS.name, 1, 0, 5, 1, facts)
    body, headers = wire.dump(question(shell, seq=1, records=(record,)), KEYS.sign)
    async with client.post(wire.EXCHANGE_PATH, data=body, headers=headers) as response:
        answer = wire.load(response.headers[wire.SIGNATURE], await response.read())
    assert (answer.sender, answer.answers, answer.have) == (shell.node.name, 1, (5, 1))
    for path in ("/api/coordinator/workers", "/api/admin/workers"):
        async with client.get(path) as response:
            (listed,) = (await response.json())["workers"]
        assert (listed["worker_id"], listed["home"], listed["region"]) == ("w1", KEYS.name, "eu")
    async with client.get("/api/admin/gaps") as response:
        gaps = {gap["service"]: gap["current_workers"] for gap in (await response.json())["gaps"]}
    assert gaps["redis"] == 1
    async with client.get("/api/admin/coordinators") as response:
        (known,) = await response.json()
    assert (known["location"], known["standing"], known["workers"]) == ("eu", "present", 1)


async def test_who_is_refused_and_how(client: TestClient, shell: Shell) -> None:
    good, headers = wire.dump(question(shell), KEYS.sign)
    mallory = CoordinatorKeys(MALLORY)
    stranger, by_stranger = wire.dump(question(shell, sender=mallory.name), mallory.sign)
    assert await post(client, good, {}) == 401
    assert await post(client, good[:-1] + b" ", headers) == 401
    assert await post(client, stranger, by_stranger) == 403
    assert await post(client, good, headers) == 200
    assert await post(client, good, headers) == 403, "heard before"
    old, by_old = wire.dump(question(shell, boot=4, number=9), KEYS.sign)
    async with client.post(wire.EXCHANGE_PATH, data=old, headers=by_old) as response:
        assert (response.status, (await response.json())["boot"]) == (409, 5)
    nonsense = wire.sealed(KEYS.name, KEYS.sign, b"[]")
    assert await post(client, b"[]", nonsense) == 400
    async with client.post(wire.EXCHANGE_PATH, data=BytesIO(b" " * (MAX_EXCHANGE + 1)), headers=headers) as response:
        assert response.status == 413
    counts = shell.node.counts
    assert counts["refused_forged"] == 2
    assert counts["refused_stranger"] == counts["refused_replayed"] == counts["refused_malformed"] == 1


async def test_a_flood_is_throttled(client: TestClient, shell: Shell) -> None:
    statuses = set()
    for number in range(1, 90):
        body, headers = wire.dump(question(shell, number=number), KEYS.sign)
        statuses.add(await post(client, body, headers))
    assert statuses == {200, 429}


async def test_the_list_is_told_and_who_was_admitted_gets_another_day(client: TestClient, shell: Shell) -> None:
    async with client.get(wire.DIRECTORY_PATH) as response:
        told = Directory.open(await response.read(), shell.roster.roots)
    assert set(told.certificates) == {KEYS.name}
    body = orjson.dumps({"url": "http://eu:2", "region": "eu"})
    async with client.post(wire.RENEW_PATH, data=body, headers=wire.sealed(KEYS.name, KEYS.sign, body)) as response:
        signed = parse(await response.read())
    at = datetime.now(UTC).timestamp()
    assert open_certificate(signed, told.bundle, at).url == "http://eu:2"
    mallory = CoordinatorKeys(MALLORY)
    headers = wire.sealed(mallory.name, mallory.sign, body)
    async with client.post(wire.RENEW_PATH, data=body, headers=headers) as response:
        assert response.status == 403


async def test_a_coordinator_that_leaves_says_where_to_go(client: TestClient, shell: Shell) -> None:
    state = client.app[STATE]
    body, headers = wire.dump(question(shell, homes={KEYS.name: HomeState(0.0, 0, 50.0)}), KEYS.sign)
    assert await post(client, body, headers) == 200
    join = {"worker_id": "w1", "capabilities": {}, "services": []}
    for name in ("w1", "w2"):
        async with client.post("/api/worker/register", json={**join, "worker_id": name}) as response:
            assert response.status == 200
    shell.bridge.lives["w1"] = Life(KEYS.name, 1, 1, UNSIGNED)
    assert "move_to" not in await beat(client, "w1")
    state.draining, leaving = True, hold(shell.hand_over(30.0))
    await asyncio.sleep(0)
    assert (await beat(client, "w1"))["move_to"] == "http://eu:1"
    assert "move_to" not in await beat(client, "w2"), "it does not sign: elsewhere it would be another worker"
    async with client.post("/api/worker/register", json={**join, "worker_id": "w3"}) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "5")
        assert (await response.json())["alternates"] == ["http://eu:1"]
    async with client.post("/api/worker/register", json=join) as response:
        assert response.status == 200, "who is at home here is taken in again: it is told with its next heartbeat"
    async with client.get("/readyz") as response:
        assert response.status == 503
    for path, name in (("/health", "status"), ("/v1/ping", "draining")):
        async with client.get(path) as response:
            assert (await response.json())[name] in ("draining", True)
    assert not leaving.done()
    for name in ("w1", "w2"):
        assert shell._registry.unregister(name, now())
    async with asyncio.timeout(15):
        await leaving


async def beat(client: TestClient, name: str) -> dict[str, Any]:
    async with client.post("/api/worker/heartbeat", json={"worker_id": name, "services": []}) as response:
        assert response.status == 200
        answer: dict[str, Any] = await response.json()
        return answer


async def test_for_who_cannot_go_it_waits_so_long_and_no_longer(client: TestClient, shell: Shell) -> None:
    body, headers = wire.dump(question(shell, homes={KEYS.name: HomeState(0.0, 0, 50.0)}), KEYS.sign)
    assert await post(client, body, headers) == 200
    async with client.post("/api/worker/register", json={"worker_id": "w1", "capabilities": {}}) as response:
        assert response.status == 200
    began = now().monotonic
    async with asyncio.timeout(15):
        await shell.hand_over(0.3)
    assert now().monotonic >= began + 0.3


async def test_with_nowhere_to_go_nobody_waits(client: TestClient, shell: Shell) -> None:
    async with client.post("/api/worker/register", json={"worker_id": "w1", "capabilities": {}}) as response:
        assert response.status == 200
    client.app[STATE].draining = True
    async with asyncio.timeout(15):
        await shell.hand_over(3600.0)
    assert "move_to" not in await beat(client, "w1")


async def test_alone_there_is_no_federation() -> None:
    app = build_app(State(Registry(5.0, new_worker_id)))
    async with TestClient(TestServer(app)) as client:
        for method, path in (("GET", wire.DIRECTORY_PATH), ("POST", wire.EXCHANGE_PATH), ("POST", wire.RENEW_PATH)):
            async with client.request(method, path) as response:
                assert response.status == 404
        async with client.get("/v1/ping") as response:
            assert (await response.json())["workers"] == 0
