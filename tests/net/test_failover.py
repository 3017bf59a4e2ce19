"""What a user does not notice: slow, silent and full workers, tunnels without a worker, budgets in front of it all."""

from __future__ import annotations

import pytest

from edgeproxy.net.limits import Limits
from edgeproxy.policy.affinity import prompt_key, session_reader
from edgeproxy.policy.balance.prefix_affinity import prefix_affinity, sticky
from edgeproxy.policy.balance.round_robin import RoundRobin
from edgeproxy.policy.health import FIRST_EJECTION, HOLD_UNREACHED
from edgeproxy.policy.retry import LONGEST_BACKOFF
from edgeproxy.policy.traffic import HEDGE_BURST, Traffic
from edgeproxy.proxy.table import Pool, Route, Table
from edgeproxy.proxy.watch import TICK, UNHEARD
from tests.wire.reading import Response, read_responses
from tests.wire.world import OK, FarClient, FarWorker, Request, World, silent

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
WARM = 20


def last(client: FarClient) -> Response:
    return read_responses(client.got, client.transport.ended)[-1]


def count(client: FarClient) -> int:
    return len(read_responses(client.got, client.transport.ended))


def traffic(world: World) -> Traffic:
    return pool(world).traffic


def pool(world: World) -> Pool:
    everything = world.edge.table.everything
    assert everything is not None
    assert everything.pool is not None
    return everything.pool


def warmed(workers: int = 2) -> World:
    """A pool whose latency is known: no time at all."""
    world = World(OK, workers=workers)
    client = world.client()
    for _ in range(WARM):
        client.send(GET)
    assert traffic(world).answers == WARM
    return world


def silenced(world: World, worker: str) -> None:
    """This worker says nothing from now on."""

    def script(far: FarWorker, request: Request) -> None:
        if far.connection.worker.id != worker:
            far.transport.feed(OK)

    world.script = script


def assert_settled(world: World) -> None:
    assert world.in_flight == 0
    assert traffic(world).in_flight == traffic(world).retrying == 0
    assert world.edge.forwarder.waiting.count == 0


# Hedging.


def test_a_slow_request_is_asked_of_another_worker_and_the_loser_is_cancelled() -> None:
    world = warmed()
    silenced(world, "w0")
    clients = [world.client(), world.client()]
    for client in clients:
        client.send(GET)
    assert [count(client) for client in clients].count(1) == 1, "one of two met the slow one"
    world.advance(2 * TICK)
    assert [last(client).status for client in clients] == [200, 200]
    assert world.counters.events["hedge"] == 1
    slow = [far for far in world.far_workers if far.connection.worker.id == "w0" and far.requests]
    assert any(far.transport.ended for far in slow), "nobody waits for it any more"
    assert world.faults == [None] * (WARM + 2)
    assert [worker.failures for worker in world.workers] == [0, 0], "slow is not broken"
    assert_settled(world)


def test_the_first_one_may_still_win() -> None:
    world = warmed()
    world.script = silent
    client = world.client()
    client.send(GET)
    world.advance(2 * TICK)
    first, second = _under_way(world)
    first.feed(OK)
    assert last(client).status == 200
    assert second.transport.ended
    assert_settled(world)


def _under_way(world: World) -> list[FarWorker]:
    return [far for far in world.far_workers if far.connection.exchange is not None]


def test_one_of_two_may_fail() -> None:
    world = warmed()
    world.script = silent
    client = world.client()
    client.send(GET)
    world.advance(2 * TICK)
    first, second = _under_way(world)
    first.reset()
    assert count(client) == 0
    second.feed(OK)
    assert last(client).status == 200
    assert_settled(world)


def test_both_may_fail() -> None:
    world = warmed()
    world.script = silent
    client = world.client()
    client.send(GET)
    world.advance(2 * TICK)
    while far := next(iter(_under_way(world)), None):
        far.reset()
    world.advance(LONGEST_BACKOFF)
    assert last(client).status == 502
    assert_settled(world)


def test_a_client_that_leaves_takes_both_with_it() -> None:
    world = warmed()
    world.script = silent
    client = world.client()
    client.send(GET)
    world.advance(2 * TICK)
    both = _under_way(world)
    assert len(both) == 2
    client.reset()
    assert all(far.transport.ended for far in both)
    assert_settled(world)


@pytest.mark.parametrize("sent", [POST, GET.replace(b"GET", b"POST")])
def test_what_must_not_be_sent_twice_is_not_hedged(sent: bytes) -> None:
    world = warmed()
    world.script = silent
    world.client().send(sent)
    world.advance(0.3)
    assert "hedge" not in world.counters.events
    assert len(_under_way(world)) == 1


def test_hedges_have_a_budget() -> None:
    world = warmed(workers=8)
    world.script = silent
    for _ in range(30):
        world.client().send(GET)
    world.advance(0.2)
    assert world.counters.events["hedge"] == HEDGE_BURST


def test_nothing_is_hedged_before_the_latency_is_known() -> None:
    world = World(silent, workers=2)
    world.client().send(GET)
    world.advance(1.0)
    assert "hedge" not in world.counters.events


# Silence.


def test_a_worker_that_stops_answering_is_left_and_its_requests_go_elsewhere() -> None:
    world = warmed()
    traffic(world).hedges = -100.0  # so that it is not hedging that helps
    silenced(world, "w0")
    clients = [world.client() for _ in range(60)]
    for client in clients:
        client.send(GET)
    assert sum(count(client) for client in clients) == 30
    world.advance(0.9)
    assert [last(client).status for client in clients] == [200] * 60
    assert world.workers[0].ejected_until > world.edge.clock.now
    assert world.counters.events["ejection"] == 1
    assert "w0" in world.reports
    assert_settled(world)


def test_a_few_long_requests_are_no_silence() -> None:
    world = warmed()
    traffic(world).hedges = -100.0
    silenced(world, "w0")
    clients = [world.client() for _ in range(2 * UNHEARD - 2)]
    for client in clients:
        client.send(GET)
    world.advance(5.0)
    assert "rescue" not in world.counters.events
    assert world.workers[0].failures == 0


def test_requests_that_must_not_be_sent_twice_stay_where_they_are() -> None:
    world = warmed()
    world.script = silent
    for _ in range(20):
        world.client().send(POST)
    world.advance(2.0)
    assert len(_under_way(world)) == 20


# Budget, deadline.


def test_retries_have_a_budget_and_those_beyond_it_wait() -> None:
    world = World(silent, workers=2)
    clients = [world.client() for _ in range(40)]
    for client in clients:
        client.send(GET)
    world.script = silent
    for far in _under_way(world):
        if far.connection.worker.id == "w0":
            far.reset()
    allowed = traffic(world).retrying
    assert 3 <= allowed <= 0.2 * 40
    assert traffic(world).in_flight == 20 + allowed
    world.script = OK
    for far in _under_way(world):
        far.feed(OK)
    world.advance(1.0)
    assert [last(client).status for client in clients] == [200] * 40
    assert_settled(world)


def test_one_deadline_for_all_attempts() -> None:
    world = World(silent, workers=3, limits=Limits(first_byte=10.0))
    client = world.client()
    client.send(GET)
    world.advance(6.0)
    world.far.reset()
    assert len(_under_way(world)) == 1
    world.advance(3.5)
    assert count(client) == 0
    world.advance(1.0)
    assert last(client).status == 504
    assert_settled(world)


# Full workers.


def full(world: World, slots: int = 1, **traffic_options: float) -> None:
    for worker in world.workers:
        worker.slots = slots
    for name, value in traffic_options.items():
        setattr(traffic(world), name, value)


def test_requests_wait_for_a_full_worker_in_their_order() -> None:
    world = World(silent, workers=1)
    full(world)
    clients = [world.client() for _ in range(3)]
    for client in clients:
        client.send(GET)
    assert world.in_flight == 1
    for number in range(3):
        world.far.feed(OK)
        world.advance(0.001)
        assert [count(client) for client in clients] == [1] * (number + 1) + [0] * (2 - number)
    assert_settled(world)


def test_nobody_waits_longer_than_the_deadline() -> None:
    world = World(silent, workers=1)
    full(world, queue_seconds=2.0)
    world.client().send(GET)
    client = world.client()
    client.send(GET)
    world.advance(1.9)
    assert count(client) == 0
    world.advance(0.2)
    response = last(client)
    assert (response.status, response.value(b"retry-after")) == (503, b"2")
    assert world.faults == ["workers_busy"]


def test_the_queue_is_bounded() -> None:
    world = World(silent, workers=1)
    full(world, queue_limit=2)
    clients = [world.client() for _ in range(4)]
    for client in clients:
        client.send(GET)
    assert [count(client) for client in clients] == [0, 0, 0, 1]
    assert last(clients[3]).status == 503


def test_one_that_leaves_the_queue_makes_room() -> None:
    world = World(silent, workers=1)
    full(world, queue_limit=1)
    clients = [world.client() for _ in range(2)]
    for client in clients:
        client.send(GET)
    clients[1].reset()
    assert not traffic(world).queue
    world.client().send(GET)
    assert len(traffic(world).queue) == 1


def test_an_address_that_refuses_is_held_for_a_moment_and_requests_wait_for_it() -> None:
    world = World(OK, workers=1)
    world.dialer.refuse()
    refused, waiting = world.client(), world.client()
    refused.send(GET)
    assert last(refused).status == 502
    waiting.send(GET)
    assert len(world.dialled) == 1, "no second attempt within the moment"
    world.advance(HOLD_UNREACHED + TICK)
    assert last(waiting).status == 200
    assert_settled(world)


def test_a_dead_worker_gets_one_request_only() -> None:
    world = World(OK, workers=2)
    world.dialer.refuse()
    for _ in range(20):
        client = world.client()
        client.send(GET)
        assert last(client).status == 200
        world.advance(FIRST_EJECTION / 25)
    assert [worker.id for worker in world.dialled].count("w0") == 1


# Tunnels.


def tunnel_answer(status: int, fields: bytes = b"CF-RAY: 8f\r\n") -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: 15\r\n%b\r\nerror code: %d" % (status, fields, status)


def from_w0(answer: bytes, world: World) -> None:
    def script(far: FarWorker, request: Request) -> None:
        far.transport.feed(answer if far.connection.worker.id == "w0" else OK)

    world.script = script


@pytest.mark.parametrize("sent", [GET, POST])
def test_a_tunnel_without_a_worker_is_another_worker_s_turn(sent: bytes) -> None:
    world = World(workers=2)
    from_w0(tunnel_answer(530), world)
    client = world.client()
    client.send(sent)
    assert last(client).status == 200
    assert world.workers[0].failures == 1
    assert world.counters.events["attempt_tunnel_down"] == 1
    assert_settled(world)


def test_a_tunnel_that_lost_a_request_may_have_delivered_it() -> None:
    world = World(workers=2)
    from_w0(tunnel_answer(502), world)
    client = world.client()
    client.send(POST)
    assert last(client).status == 502
    assert world.faults == ["tunnel_failed"]
    client = world.client()
    world.workers[0].left_out_until = 0.0
    client.send(GET)
    assert last(client).status == 200


def test_a_worker_s_own_502_is_passed_on() -> None:
    world = World(workers=2)
    from_w0(tunnel_answer(502, b"CF-RAY: 8f\r\nCF-Cache-Status: DYNAMIC\r\n"), world)
    client = world.client()
    client.send(GET)
    assert last(client).body == b"error code: 502"
    assert world.workers[0].failures == 0


# Bad input from workers.


def test_a_malformed_answer_is_counted_and_repeated_failures_eject() -> None:
    world = World(workers=2)
    from_w0(b"garbage\r\n\r\n", world)
    for _ in range(12):
        world.client().send(GET)
        world.workers[0].left_out_until = min(world.workers[0].left_out_until, world.workers[0].ejected_until)
    assert world.counters.events["attempt_bad_response"] == 5
    assert world.workers[0].ejected_until > world.edge.clock.now


def test_another_s_answer_is_dropped_and_counted() -> None:
    world = World(OK + OK)
    client = world.client()
    client.send(GET)
    assert count(client) == 1
    assert world.counters.faults["upstream_unasked"] == 1
    assert world.far.transport.ended, "and the connection is not used again"


def test_clients_that_leave_never_count_against_a_worker() -> None:
    world = World(silent, workers=2)
    for _ in range(50):
        client = world.client()
        client.send(GET)
        client.reset()
    assert [(worker.failures, worker.failed) for worker in world.workers] == [(0, 0)] * 2
    assert_settled(world)


# Affinity.


def keyed(workers: int, strategy: object, reader: object, *, reads_body: bool) -> World:
    world = World(OK, workers=workers)
    route = world.edge.table.everything
    assert route is not None
    new = Pool("p", world.workers, strategy, None, reader, reads_body=reads_body)  # type: ignore[arg-type]
    world.edge.table = Table(route, Route("all", world.counters.route("all"), new))
    return world


def chat(text: str, pad: int = 0) -> bytes:
    body = f'{{"model":"m","messages":[{{"role":"user","content":"{text}"}}],"x":"{"y" * pad}"}}'.encode()
    return b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def test_like_prompts_go_to_one_worker() -> None:
    world = keyed(8, prefix_affinity(1), prompt_key, reads_body=True)
    for _ in range(5):
        for text in ("one", "two", "three"):
            world.client().send(chat(text))
    assert len({far.connection.worker.id for far in world.far_workers}) <= 3


def test_a_request_waits_for_the_beginning_of_its_body_and_for_no_more() -> None:
    world = keyed(8, prefix_affinity(1), prompt_key, reads_body=True)
    client = world.client()
    whole = chat("one", pad=20_000)
    client.send(whole[:100])
    assert not world.dialled
    client.send(whole[100:6000])
    assert len(world.dialled) == 1
    client.send(whole[6000:])
    assert last(client).status == 200
    assert world.seen[-1].body == whole.partition(b"\r\n\r\n")[2]
    for _ in range(3):
        world.client().send(chat("one"))
    assert len(set(world.dialled)) == 1


def test_one_that_expects_100_is_not_held() -> None:
    world = keyed(2, prefix_affinity(1), prompt_key, reads_body=True)
    client = world.client()
    head, _, body = chat("one").partition(b"\r\n\r\n")
    client.send(head + b"\r\nExpect: 100-continue\r\n\r\n")
    assert client.got.startswith(b"HTTP/1.1 100 ")
    client.send(body)
    assert b"200 OK" in client.got


def test_a_session_stays_with_its_worker() -> None:
    world = keyed(8, sticky(RoundRobin()), session_reader("cookie:sid"), reads_body=False)
    for _ in range(6):
        world.client().send(GET.replace(b"\r\n\r\n", b"\r\nCookie: sid=abc\r\n\r\n"))
    assert len(set(world.dialled)) == 1
    for _ in range(8):
        world.client().send(GET)
    assert len(set(world.dialled)) == 8
