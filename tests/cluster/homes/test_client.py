"""An agent's client between two real servers: it stays, it falls, it goes back, it moves nearer."""

from collections.abc import AsyncIterator
from time import monotonic

import pytest

from edgeproxy.cluster.client import CoordinatorError
from edgeproxy.cluster.homes.client import HomesClient
from edgeproxy.cluster.homes.finder import Finder
from edgeproxy.cluster.messages import Heartbeat, Registration
from tests.cluster.homes.home import Home

BEAT = Heartbeat(worker_id="w1")
REGISTRATION = Registration(worker_id="w1", capabilities={})


@pytest.fixture
async def homes() -> AsyncIterator[tuple[Home, Home]]:
    one, other = Home(), Home()
    await one.server.start_server()
    await other.server.start_server()
    yield one, other
    await one.server.close()
    await other.server.close()


@pytest.fixture
async def client(homes: tuple[Home, Home]) -> AsyncIterator[HomesClient]:
    finder = Finder("w1", [home.url for home in homes], round=3600.0)
    async with HomesClient(finder, timeout=2.0) as client:
        yield client


async def fall(client: HomesClient, home: Home) -> None:
    await client.register(REGISTRATION)
    await home.server.close()
    with pytest.raises(CoordinatorError) as caught:
        await client.heartbeat(BEAT)
    assert caught.value.status == 404
    await client.register(REGISTRATION)


async def test_it_stays_where_it_is(client: HomesClient, homes: tuple[Home, Home]) -> None:
    await client.register(REGISTRATION)
    for _ in range(3):
        await client.heartbeat(BEAT)
    assert (homes[0].registrations, homes[0].heartbeats, homes[1].registrations) == (1, 3, 0)


async def test_when_its_home_falls_it_goes_to_the_other(client: HomesClient, homes: tuple[Home, Home]) -> None:
    await fall(client, homes[0])
    await client.heartbeat(BEAT)
    assert (homes[1].registrations, homes[1].heartbeats) == (1, 1)
    assert client.url == homes[1].url


async def test_when_all_are_away_it_says_so_and_goes_on(client: HomesClient, homes: tuple[Home, Home]) -> None:
    await fall(client, homes[0])
    await homes[1].server.close()
    with pytest.raises(CoordinatorError):
        await client.heartbeat(BEAT)
    with pytest.raises(CoordinatorError) as caught:
        await client.register(REGISTRATION)
    assert caught.value.status is None


async def test_what_it_measures_is_used_on_the_day_of_the_fall(client: HomesClient, homes: tuple[Home, Home]) -> None:
    assert client._session is not None
    await client.finder.look(client._session)
    await client.register(REGISTRATION)
    await client.heartbeat(BEAT)
    assert (client.failover.workers, client.failover.accept_rate) == (7, 500.0)
    assert set(client.finder.closeness.ranked(monotonic())) == {home.url for home in homes}


async def test_it_moves_to_where_it_is_nearer_between_two_heartbeats(
    client: HomesClient, homes: tuple[Home, Home]
) -> None:
    await client.register(REGISTRATION)
    nearer = homes[1].url
    client.finder.closeness.since = float("-inf")
    for _ in range(3):
        client.finder.closeness.measured(homes[0].url, 0.2, monotonic())
        client.finder.closeness.measured(nearer, 0.01, monotonic())
        client._consider()
    await client.heartbeat(BEAT)
    assert (client.url, homes[1].registrations) == (nearer, 1)
