"""Each kind of scenario, before the backend itself and before peers that do what they should not."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bench.backend import Backend, House
from bench.closed_loop import Count, WrongAnswer
from bench.measure import Usage
from bench.peers import PEERS
from bench.scenarios import GOALS, SCENARIOS, Goal, Plan, Scenario, Target, leave, race
from bench.scenarios.rate import Rate

PLAN = Plan(rounds=1, round_s=0.1, warmup_s=0.0, repeats=1, stream_s=1, streams=100, idle=70, leaves=20, races=10)


@asynccontextmanager
async def target(peer: type[Backend] = Backend) -> AsyncIterator[Target]:
    """The peer before a backend whose records it shares, which is how both see the same requests."""
    house = House()
    loop = asyncio.get_running_loop()
    backend = await loop.create_server(lambda: Backend(house), "127.0.0.1", 0)
    server = await loop.create_server(lambda: peer(house), "127.0.0.1", 0)
    async with backend, server:
        ports = [each.sockets[0].getsockname()[1] for each in (server, backend)]
        yield Target(os.getpid(), ports[0], ports[1], resting=0)
        await asyncio.sleep(0.05)  # so that their ends of the connections are gone too


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
async def test_a_round_has_every_figure_of_its_table_and_what_is_compared(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(race, "CONNECTIONS", 5)
    async with target() as peer:
        figures = await scenario.measure(peer, PLAN)
    wanted = {column.figure for column in scenario.columns} | {scenario.compared or scenario.columns[0].figure}
    assert wanted <= figures.keys()
    for column in scenario.columns:
        assert column.form.format(figures[column.figure])


def test_every_peer_that_a_scenario_names_exists() -> None:
    assert all(set(scenario.peers) <= PEERS.keys() for scenario in SCENARIOS.values())


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: f"{goal.scenario}-{goal.figure}")
def test_a_goal_is_of_a_figure_that_is_shown_and_of_peers_that_are_measured(goal: Goal) -> None:
    scenario = SCENARIOS[goal.scenario]
    assert scenario.column(goal.figure)
    assert {goal.peer, *goal.against} <= set(scenario.peers)


def test_a_rate_divides_by_its_requests() -> None:
    scenario = SCENARIOS["get-1k"]
    assert isinstance(scenario, Rate)
    figures = scenario.figures(Count(51_200, 2.0), Usage({10: 0.8, 11: 0.2}, elapsed_s=2.0, others=0.25))
    assert figures["cpu_us"] == pytest.approx(1e6 / 51_200)
    assert figures["serving_us"] == pytest.approx(0.8e6 / 51_200)
    assert figures["requests_per_s"] == 25_600
    assert figures["mib_per_s"] == 25
    assert figures["busy"] == pytest.approx(0.5)
    assert figures["others"] == 0.25


async def test_streams_are_all_read_and_delays_are_those_beyond_a_direct_one() -> None:
    async with target() as peer:
        figures = await SCENARIOS["stream"].measure(peer, PLAN)
    assert figures["events_per_s"] == pytest.approx(100 * 20, rel=0.15)
    assert figures["added_p99_ms"] == figures["p99_ms"] - figures["direct_p99_ms"]
    assert figures["kib"] > 0


class Lazy(Backend):
    """Holds every event back for 50 ms."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        class Late:
            def __getattr__(self, name: str) -> object:
                return getattr(transport, name)

            def write(self, data: bytes) -> None:
                asyncio.get_running_loop().call_later(0.05, transport.write, data)  # type: ignore[attr-defined]

        super().connection_made(Late())  # type: ignore[arg-type]


async def test_a_proxy_that_holds_events_back_is_seen() -> None:
    async with target(Lazy) as peer:
        figures = await SCENARIOS["stream"].measure(peer, PLAN)
    assert figures["p50_ms"] > 45 > figures["direct_p50_ms"]


class Refusing(Backend):
    def data_received(self, data: bytes) -> None:
        self._refuse()


@pytest.mark.parametrize("name", ["idle", "leave", "stream"])
async def test_a_peer_that_refuses_fails_the_round(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leave, "GIVE_UP_S", 0.2)
    async with target(Refusing) as peer:
        with pytest.raises((WrongAnswer, ExceptionGroup)) as raised:
            await SCENARIOS[name].measure(peer, PLAN)
    assert raised.group_contains(WrongAnswer) if isinstance(raised.value, ExceptionGroup) else True


class Closing(Backend):
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        asyncio.get_running_loop().call_later(0.1, self._transport.close)


async def test_connections_that_do_not_stay_are_not_idle_connections() -> None:
    async with target(Closing) as peer:
        with pytest.raises(WrongAnswer, match="closed connections that were idle"):
            await SCENARIOS["idle"].measure(peer, PLAN)


class Faithful(Backend):
    """Does not notice that its client has left."""

    def connection_lost(self, exc: Exception | None) -> None:
        pass


async def test_a_worker_that_is_never_rid_of_a_request_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leave, "GIVE_UP_S", 0.1)
    async with target(Faithful) as peer:
        figures = await SCENARIOS["leave"].measure(peer, PLAN)
    assert figures["never"] == PLAN.leaves
    assert figures["p50_ms"] == pytest.approx(100)


def answering(change: Callable[[bytes], bytes | None]) -> type[Backend]:
    """A peer that changes what POSTs outside the language model are answered; None closes instead."""

    class Changing(Backend):
        def _answer(self, answer: bytes | None) -> None:
            posted = self._request_id.startswith("post-")
            changed = change(answer or b"") if posted else answer
            if changed is None:
                self._transport.abort()
            else:
                self._transport.write(changed)

    return Changing


def bad_gateway(_: bytes) -> bytes:
    return b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("peer", "errors", "not_502"),
    [
        (Backend, 0, 0),
        (answering(bad_gateway), 10, 0),
        (answering(lambda answer: answer.replace(b"200 OK", b"500 No")), 10, 10),
        (answering(lambda _: None), 10, 10),
    ],
)
async def test_a_race_counts_what_was_lost(
    peer: type[Backend], errors: int, not_502: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(race, "CONNECTIONS", 5)
    monkeypatch.setattr("bench.backend.connection.RACE_IDLE_S", 5.0)
    async with target(peer) as raced:
        figures = await SCENARIOS["race"].measure(raced, PLAN)
    assert (figures["get_errors"], figures["declared_errors"]) == (0, 0)
    assert (figures["post_errors"], figures["post_not_502"]) == (errors, not_502)
    assert figures["post_twice"] == 0
    assert figures["requests"] == 10


class Twice(Backend):
    """Sends everything on twice."""

    def _execute(self, answer: bytes | None) -> None:
        self._house.records.executed(self._request_id)
        super()._execute(answer)


async def test_a_race_sees_what_was_done_twice_and_minds_it_where_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "CONNECTIONS", 5)
    monkeypatch.setattr("bench.backend.connection.RACE_IDLE_S", 5.0)
    async with target(Twice) as raced:
        figures = await SCENARIOS["race"].measure(raced, PLAN)
    assert figures["post_twice"] == 10
