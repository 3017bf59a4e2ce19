"""Machines that dial in, in memory: the reception, the lobby, and requests down their connections."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from edgeproxy.net import reverse
from edgeproxy.net.dial import NetworkDialer
from edgeproxy.net.edge import Edge
from edgeproxy.net.limits import Limits
from edgeproxy.net.reverse import IDLE_LIMIT, MAX_SOCKETS, RETURN_SECONDS, Reception
from edgeproxy.policy.address import Source
from edgeproxy.policy.balance.round_robin import RoundRobin
from edgeproxy.proxy.table import Pool, Route, Table
from tests.wire.world import OK, FarClient, World

TOKEN = "t" * 43
KEYS = {"m1": sha256(TOKEN.encode()).hexdigest()}
GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"


def asking(worker: str = "m1", token: str = TOKEN, upgrade: str = "edgeproxy-reverse", more: str = "") -> bytes:
    return (
        f"GET {reverse.PATH.decode()} HTTP/1.1\r\nHost: e\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n"
        f"Edgeproxy-Worker: {worker}\r\nEdgeproxy-Token: {token}\r\n{more}\r\n"
    ).encode()


class Entrance(World):
    """An edge with one service on machine m1, which dials in."""

    def __init__(self) -> None:
        super().__init__(limits=Limits(connect=3.0, upstream_resting=2 * MAX_SOCKETS))
        self.unknown = 0
        self.reception = Reception(self.edge, 1, 2, self._unknown)
        self.reception.admit(KEYS)
        self.service = self.reception.lobby("m1").service("s@m1", b"/service/s")
        self.workers = [self.service]
        pool = Pool("s", self.workers, RoundRobin())
        nowhere = Route("none", self.counters.route("none"))
        door = Route("reverse", self.counters.route("reverse"), local=b"", reception=self.reception)
        self.edge.table = Table(
            nowhere,
            exact={reverse.PATH: door},
            prefixes=[(b"/", Route("s", self.counters.route("s"), pool))],
        )

    def _edge(self, limits: Limits, route: dict[str, Any]) -> Edge:
        dialer = NetworkDialer()
        self.dialer = dialer  # type: ignore[assignment]
        dialer.edge = super()._edge(limits, route)
        return dialer.edge

    def _unknown(self) -> None:
        self.unknown += 1

    def dial_in(self) -> FarClient:
        machine = self.client()
        machine.send(asking())
        assert machine.got.startswith(b"HTTP/1.1 101 Switching Protocols\r\n"), machine.got
        machine.transport.delivered.clear()
        return machine

    def ask(self, data: bytes = GET) -> FarClient:
        client = self.client()
        client.send(data)
        return client


@pytest.fixture
def world() -> Entrance:
    return Entrance()


def test_the_answer_says_which_process_it_was(world: Entrance) -> None:
    machine = world.client()
    machine.send(asking())
    assert b"\r\nEdgeproxy-Process: 1/2\r\nEdgeproxy-Wanted: 0\r\n\r\n" in machine.got
    assert world.edge.clients == set()
    assert world.counters.open_connections == 0
    assert world.statuses == [101]


def test_requests_go_down_the_connection_and_it_rests_in_between(world: Entrance) -> None:
    machine = world.dial_in()
    for _ in range(3):
        client = world.ask()
        assert machine.got.startswith(b"GET /service/s/x HTTP/1.1\r\nHost: agent\r\n")
        machine.transport.delivered.clear()
        machine.send(OK)
        assert client.got.endswith(b"\r\n\r\nok")
    assert len(world.service.idle) == 1


def test_a_machine_without_a_connection_is_not_asked(world: Entrance) -> None:
    client = world.ask()
    assert client.got.startswith(b"HTTP/1.1 50")
    assert not world.service.available(world.edge.clock.now)
    world.dial_in()
    assert world.service.available(world.edge.clock.now)


def test_requests_wait_for_the_next_connection_in_their_order(world: Entrance) -> None:
    first = world.dial_in()
    busy, early, late = world.ask(), world.ask(), world.ask()
    assert (early.got, late.got) == (b"", b"")
    second = world.client()
    second.send(asking())
    assert b"Edgeproxy-Wanted: 2\r\n" in second.got
    assert second.got.count(b"GET /service/s/x") == 1  # with the 101: no more waiting than it must
    second.send(OK)
    assert early.got.endswith(b"ok")
    first.send(OK)
    assert busy.got.endswith(b"ok")
    assert world.in_flight == 1
    second.send(OK)
    assert late.got.endswith(b"ok")


def test_who_waits_too_long_is_told(world: Entrance) -> None:
    world.dial_in()
    world.ask()
    client = world.ask()
    world.advance(3.1)
    assert client.got.startswith(b"HTTP/1.1 50")
    assert world.in_flight == 1


def test_one_who_leaves_while_waiting_gets_no_connection(world: Entrance) -> None:
    machine = world.dial_in()
    world.ask()
    gone, patient = world.ask(), world.ask()
    gone.reset()
    machine.transport.delivered.clear()
    machine.send(OK)
    assert machine.got.count(b"GET ") == 1
    machine.send(OK)
    assert patient.got.endswith(b"ok")
    assert world.in_flight == 0


def test_a_lost_connection_costs_an_idempotent_request_nothing(world: Entrance) -> None:
    first, second = world.dial_in(), world.dial_in()
    client = world.ask()
    lost, other = (second, first) if second.got else (first, second)
    lost.reset()
    assert other.got.startswith(b"GET /service/s/x")
    other.send(OK)
    assert client.got.endswith(b"ok")
    assert world.service.idle_limit == IDLE_LIMIT  # it was no keep-alive race: nothing is learned


def test_the_last_connection_lost_the_machine_may_return(world: Entrance) -> None:
    world.dial_in().reset()
    client = world.ask()
    assert client.got == b""
    world.advance(RETURN_SECONDS / 2)
    machine = world.client()
    machine.send(asking())
    machine.send(OK)
    assert client.got.endswith(b"ok")


def test_a_machine_that_does_not_return_is_gone(world: Entrance) -> None:
    world.dial_in().reset()
    client = world.ask()
    world.advance(RETURN_SECONDS + 0.1)
    assert client.got.startswith(b"HTTP/1.1 50")
    assert world.service.probed_down
    assert world.in_flight == 0


def test_what_the_service_has_not_seen_is_asked_elsewhere_even_a_post(world: Entrance) -> None:
    world.reception.admit({**KEYS, "m2": KEYS["m1"]})
    other = world.reception.lobby("m2").service("s@m2", b"/service/s")
    world.workers.append(other)
    world.edge.table.prefixes[0][1].pool.workers.append(other)  # type: ignore[union-attr]
    first = world.dial_in()
    second = world.client()
    second.send(asking("m2"))
    second.transport.delivered.clear()
    client = world.ask(POST)
    client.send(b"hi")
    asked, spared = (first, second) if first.got else (second, first)
    asked.send(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n" + reverse.NOT_SENT + b"\r\n")
    assert spared.got.startswith(b"POST /service/s/x")
    assert spared.got.endswith(b"\r\n\r\nhi")
    spared.send(OK)
    assert client.got.endswith(b"ok")
    assert world.in_flight == 0


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (asking(token="x" * 43), b"403"),
        (asking(token="short"), b"403"),
        (asking(worker="nobody"), b"403"),
        (asking(more=f"Edgeproxy-Token: {TOKEN}\r\n"), b"403"),
        (asking(more="Edgeproxy-Worker: m2\r\n"), b"403"),
        (asking(upgrade="h2c"), b"426"),
        (asking().replace(b"GET", b"HEAD"), b"426"),
        (asking(more="Content-Length: 0\r\n"), b"426"),
        (asking() + b"early", b"426"),
        (asking().replace(b"Upgrade: edgeproxy-reverse\r\n", b""), b"426"),
    ],
)
def test_who_may_not_dial_in_is_told_so(world: Entrance, request_: bytes, status: bytes) -> None:
    machine = world.client()
    machine.send(request_)
    assert machine.got.startswith(b"HTTP/1.1 " + status)
    assert machine.got.count(b"HTTP/1.1 ") == 1
    assert world.reception.lobby("m1").sockets == set()


def test_one_that_is_not_known_makes_us_look_at_the_list(world: Entrance) -> None:
    world.client().send(asking("m9"))
    assert world.unknown == 1
    world.client().send(asking("m1", "x" * 43))
    assert world.unknown == 1


def test_a_machine_has_only_so_many_connections(world: Entrance) -> None:
    for _ in range(MAX_SOCKETS):
        world.client().send(asking())
    machine = world.client()
    machine.send(asking())
    assert machine.got.startswith(b"HTTP/1.1 503 ")


def test_one_that_speaks_unasked_is_shown_out(world: Entrance) -> None:
    machine = world.dial_in()
    machine.send(OK)
    assert machine.transport.lost
    assert world.service.idle == []


@pytest.mark.parametrize("keys", [{}, {"m1": "0" * 64}])
def test_one_that_is_not_admitted_any_more_is_shown_out(world: Entrance, keys: dict[str, str]) -> None:
    machine = world.dial_in()
    world.reception.admit(keys)
    world.loop.run()
    assert machine.transport.lost


def test_machines_come_in_and_leave_by_the_same_door_as_all(world: Entrance) -> None:
    machine = world.dial_in()
    assert world.edge.door.inside == 1
    machine.reset()
    assert world.edge.door.inside == 0


def test_who_is_denied_by_the_same_door_does_not_dial_in(world: Entrance) -> None:
    machine = world.client()
    machine.connection.source = Source("203.0.113.9", 7, denied=True)
    machine.send(asking())
    assert b"source_denied" in machine.got
    assert world.reception.lobby("m1").sockets == set()


def test_what_rests_for_long_ends_before_a_router_forgets_it(world: Entrance) -> None:
    machine = world.dial_in()
    world.advance(IDLE_LIMIT - 1)
    assert not machine.transport.lost
    world.advance(2)
    assert machine.transport.lost


def test_leaving_the_edge_ends_what_rests(world: Entrance) -> None:
    machine = world.dial_in()
    world.edge.draining = True
    world.edge.drain()
    world.loop.run()
    assert machine.transport.lost
