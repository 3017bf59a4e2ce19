"""A home that leaves sends its workers elsewhere; one that dies is missed at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgeproxy.cluster.client import CoordinatorClient, CoordinatorError
from edgeproxy.cluster.homes import failover, line
from edgeproxy.cluster.homes.client import HomesClient
from edgeproxy.cluster.homes.directory import Directory
from edgeproxy.cluster.homes.finder import Finder
from edgeproxy.cluster.homes.trust import Bundle, Certificate, public_name, sign_bundle, sign_certificate
from edgeproxy.cluster.messages import Heartbeat, Registration, ServiceReport
from tests.cluster.homes.home import Home

ROOT, PRIMARY = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2))
REPORT = ServiceReport(name="redis", service_url="http://w1:6379", status="healthy")
BEAT = Heartbeat(worker_id="w1", services=[REPORT])
REGISTRATION = Registration(worker_id="w1", capabilities={}, services=[])
WITHIN = 15.0


def signed_list(*urls: str) -> bytes:
    at = datetime.now(UTC).timestamp()
    bundle = Bundle(1, at, at + 1000, (public_name(PRIMARY),))
    directory = Directory(bundle, sign_bundle(bundle, ROOT))
    for number, url in enumerate(urls):
        name = public_name(Ed25519PrivateKey.from_private_bytes(bytes([10 + number]) * 32))
        certificate = Certificate(name, url, f"r{number}", "regional", "o", at, at + 1000)
        directory.add(sign_certificate(certificate, PRIMARY))
    return directory.dump()


@pytest.fixture
async def homes() -> AsyncIterator[tuple[Home, Home, Home]]:
    homes = (Home(), Home(), Home())
    for home in homes:
        await home.server.start_server()
    yield homes
    for home in homes:
        await home.server.close()


@pytest.fixture
async def client(homes: tuple[Home, Home, Home], tmp_path: Path) -> AsyncIterator[HomesClient]:
    path = tmp_path / "list"
    path.write_bytes(signed_list(*(home.url for home in homes)))
    finder = Finder("w1", [homes[0].url], frozenset({public_name(ROOT)}), path, round=3600.0)
    async with HomesClient(finder, timeout=2.0) as client:
        client.failover.home = homes[0].url
        yield client


async def test_it_moves_to_where_it_is_sent_and_what_it_runs_goes_with_it(
    client: HomesClient, homes: tuple[Home, Home, Home]
) -> None:
    await client.register(REGISTRATION)
    for goal in (homes[1], homes[2]):
        leaving = next(home for home in homes if home.url == client.url)
        leaving.move_to = goal.url
        answer = await client.heartbeat(BEAT)
        assert client.url == client.failover.home == goal.url
        assert goal.told["services"][0]["name"] == "redis"
        assert (answer.assigned_services, answer.heartbeat_interval) == (["redis"], 7.0)
    await client.heartbeat(BEAT)
    assert [home.registrations for home in homes] == [1, 1, 1]


async def test_in_a_herd_it_beats_until_its_turn_and_is_called_then(
    client: HomesClient, homes: tuple[Home, Home, Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failover, "place", lambda worker, salt="": 0.9)
    homes[0].workers = 1000
    await client.register(REGISTRATION)
    assert client._session is not None
    await client.finder.look(client._session)
    called = asyncio.Event()
    client.on_call = called.set
    homes[0].move_to = homes[1].url
    await client.heartbeat(BEAT)
    assert client.failover.turn is not None
    assert (homes[1].registrations, called.is_set()) == (0, False)
    await client.heartbeat(BEAT)
    assert homes[0].heartbeats == 2, "it is heard until it goes"
    async with asyncio.timeout(WITHIN):
        await called.wait()
    await client.heartbeat(BEAT)
    assert (client.url, homes[1].registrations) == (homes[1].url, 1)


async def test_a_home_can_send_us_to_nobody_whom_the_operator_did_not_sign(
    client: HomesClient, homes: tuple[Home, Home, Home]
) -> None:
    mallory = Home()
    await mallory.server.start_server()
    client.finder.seeds = [homes[0].url, mallory.url]
    client.finder.chain.seeds = (homes[0].url, mallory.url)
    await client.register(REGISTRATION)
    for number, strange in enumerate((mallory.url, "http://mallory.example", homes[1].url + "/x"), 1):
        homes[0].move_to = strange
        await client.heartbeat(BEAT)
        assert (client.url, client.strange_moves) == (homes[0].url, number)
    homes[0].move_to = "javascript:alert(1)"
    await client.heartbeat(BEAT)
    assert client.url == homes[0].url
    assert (mallory.registrations, homes[1].registrations) == (0, 0)
    await mallory.server.close()


async def test_where_nobody_takes_it_it_stays_and_goes_when_somebody_does(
    client: HomesClient, homes: tuple[Home, Home, Home]
) -> None:
    await client.register(REGISTRATION)
    homes[0].move_to = homes[1].url
    homes[1].full = homes[2].full = True
    await client.heartbeat(BEAT)
    assert (client.url, homes[0].heartbeats) == (homes[0].url, 1)
    homes[2].full = False
    await client.heartbeat(BEAT)
    assert client.url == homes[2].url, "who it was sent to takes nobody, so it goes to another"


async def test_a_client_that_knows_no_others_takes_no_notice(homes: tuple[Home, Home, Home]) -> None:
    homes[0].move_to = homes[1].url
    async with CoordinatorClient(homes[0].url) as client:
        await client.register(REGISTRATION)
        await client.heartbeat(BEAT)
        await client.heartbeat(BEAT)
    assert (homes[0].heartbeats, homes[1].registrations) == (2, 0)


async def test_a_draining_coordinator_is_nothing_to_be_near_to(
    client: HomesClient, homes: tuple[Home, Home, Home]
) -> None:
    homes[1].draining = True
    assert client._session is not None
    await client.finder.look(client._session)
    assert homes[1].url not in client.finder.closeness.ranked(monotonic())
    assert client.finder.pings[homes[1].url].draining


@pytest.mark.parametrize("beats", [0, 1, 3])
async def test_a_home_that_dies_is_missed_at_once(
    client: HomesClient, homes: tuple[Home, Home, Home], beats: int
) -> None:
    called = asyncio.Event()
    client.on_call = called.set
    await client.register(REGISTRATION)
    for _ in range(beats):
        await client.heartbeat(BEAT)
    await homes[0].server.close()
    async with asyncio.timeout(WITHIN):
        await called.wait()
    with pytest.raises(CoordinatorError) as caught:
        await client.heartbeat(BEAT)
    assert caught.value.status == 404
    await client.register(REGISTRATION)
    assert client.url in (homes[1].url, homes[2].url)


async def test_a_connection_that_the_home_does_not_keep_is_no_alarm(
    client: HomesClient, homes: tuple[Home, Home, Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bool] = []
    calls: list[int] = []

    listens = line.listens

    async def noted(url: str) -> bool:
        found.append(await listens(url))
        return found[-1]

    monkeypatch.setattr(line, "listens", noted)
    client.on_call = lambda: calls.append(1)
    await client.register(REGISTRATION)
    await client.heartbeat(BEAT)
    homes[0].end_connections()
    async with asyncio.timeout(WITHIN):
        while not found:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)
    assert found == [True]
    assert not calls
    await client.heartbeat(BEAT)
    await homes[0].server.close()
    async with asyncio.timeout(WITHIN):
        while not calls:
            await asyncio.sleep(0.02)
    assert found == [True, False]
