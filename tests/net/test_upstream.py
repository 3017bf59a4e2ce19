"""The worker's connection: the keep-alive race, failing and hostile workers, rest, and time."""

from __future__ import annotations

import pytest

from edgeproxy.errors import CONNECT_TIMEOUT
from edgeproxy.net.limits import Limits
from edgeproxy.policy.retry import LONGEST_BACKOFF
from tests.wire.reading import Response, read_responses
from tests.wire.world import OK, FarClient, FarWorker, Request, World, silent

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
PUT = b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
POST = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
DECLARED = POST.replace(b"/a", b"/pure")
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HELLO = b"5\r\nhello\r\n"


def only(client: FarClient) -> Response:
    [response] = read_responses(client.got, client.transport.ended)
    return response


def last(client: FarClient) -> Response:
    return read_responses(client.got, client.transport.ended)[-1]


def warmed(world: World, **attributes: object) -> tuple[FarClient, FarWorker]:
    """A client and a worker whose connections have served one request each and rest."""
    world.script = OK
    client = world.client()
    client.send(GET)
    world.script = silent
    return client, world.far


def assert_settled(world: World) -> None:
    assert world.in_flight == 0
    assert all(far.transport.late_writes == 0 for far in world.far_workers)


# S0: nothing was sent.


@pytest.mark.parametrize("sent", [GET, PUT, POST, DECLARED])
def test_a_refused_connection_is_another_worker_s_turn(sent: bytes) -> None:
    world = World(workers=2)
    world.dialer.refuse()
    client = world.client()
    client.send(sent)
    assert only(client).status == 200
    assert [worker.id for worker in world.dialled] == ["w0", "w1"]
    assert [worker.failures for worker in world.workers] == [1, 0]
    assert world.reports == ["w0"]
    assert world.faults == [None]
    assert_settled(world)


def test_failovers_are_counted() -> None:
    world = World(workers=5)
    world.dialer.refuse(5)
    client = world.client()
    client.send(POST)
    world.advance(LONGEST_BACKOFF)
    response = only(client)
    assert (response.status, response.value(b"retry-after")) == (502, b"1")
    assert len(world.dialled) == 3
    assert client.alive
    assert world.faults == ["connect_failed"]
    assert_settled(world)


def test_a_worker_is_not_tried_twice() -> None:
    world = World(workers=2)
    world.dialer.refuse(2, CONNECT_TIMEOUT)
    client = world.client()
    client.send(GET)
    world.advance(LONGEST_BACKOFF)
    assert only(client).status == 504
    assert [worker.id for worker in world.dialled] == ["w0", "w1"]


def test_no_worker_at_all() -> None:
    world = World(workers=0)
    client = world.client()
    client.send(GET)
    assert (only(client).status, only(client).value(b"retry-after")) == (503, b"2")
    assert client.alive
    assert world.reports == [""]


def test_a_whole_body_goes_to_the_next_worker() -> None:
    world = World(workers=2)
    world.dialer.refuse()
    client = world.client()
    client.send(POST[:-3])
    client.send(POST[-3:])
    assert world.seen[0].body == b"hello"
    assert only(client).status == 200


# S1: a connection that had rested closes while the request is on its way.


@pytest.mark.parametrize("end", ["eof", "reset"])
@pytest.mark.parametrize("sent", [GET, PUT, DECLARED])
def test_the_race_is_run_again_on_a_fresh_connection(sent: bytes, end: str) -> None:
    world = World(workers=2, idempotent=frozenset({b"/pure"}))
    client, far = warmed(world)
    world.workers[1].probed(False, 0.0)
    world.advance(0.5)
    client.send(sent)
    assert len(far.requests) == 2
    world.script = OK
    getattr(far, end)()
    assert last(client).status == 200
    assert [worker.id for worker in world.dialled] == ["w0", "w0"]
    assert world.seen[-1].body == world.seen[-2].body
    assert world.workers[0].failures == 0
    assert world.workers[0].idle_limit == pytest.approx(0.4)
    assert world.reports == []
    assert_settled(world)


def test_the_race_is_not_run_twice_on_one_worker() -> None:
    world = World(workers=1)
    client, far = warmed(world)
    client.send(GET)
    far.reset()
    world.far.reset()
    assert last(client).status == 502
    assert len(world.dialled) == 2
    assert world.workers[0].failures == 1
    assert_settled(world)


def test_a_post_that_lost_the_race_is_not_sent_again() -> None:
    world = World()
    client, far = warmed(world)
    client.send(POST)
    assert len(far.requests) == 2
    far.reset()
    response = last(client)
    assert (response.status, response.value(b"retry-after")) == (502, b"0")
    assert client.alive
    assert len(world.dialled) == 1
    assert world.faults == [None, "upstream_reset_reused"]
    assert world.workers[0].failures == 0
    assert_settled(world)


def test_a_post_gets_a_connection_that_rested_for_a_moment_only() -> None:
    world = World()
    client, far = warmed(world)
    world.script = OK
    world.advance(0.9)
    client.send(POST)
    assert world.far is far
    world.advance(1.1)
    client.send(POST)
    assert world.far is not far
    client.send(GET)
    assert len(world.far_workers) == 2


def test_a_body_that_is_too_large_to_keep_is_not_sent_again() -> None:
    world = World()
    client, far = warmed(world)
    client.send(b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n")
    client.send_all([b"a" * 100000] * 20)
    far.reset()
    assert last(client).status == 502
    assert len(world.dialled) == 1
    assert_settled(world)


def test_a_body_in_the_middle_is_taken_up_again() -> None:
    world = World()
    client, far = warmed(world)
    client.send(b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + HELLO)
    far.reset()
    client.send(HELLO)
    client.send(b"0\r\n\r\n")
    assert world.seen[-1].body == b"hellohello"
    world.far.feed(OK)
    assert last(client).status == 200
    assert_settled(world)


def test_a_body_that_comes_while_another_connection_is_dialled() -> None:
    world = World()
    client, far = warmed(world)
    world.dialer.hold = True
    client.send(b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + HELLO)
    far.reset()
    client.send(HELLO + b"0\r\n\r\n")
    world.dialer.release()
    assert world.seen[-1].body == b"hellohello"
    assert_settled_after(world, client)


def assert_settled_after(world: World, client: FarClient) -> None:
    world.far.feed(OK)
    assert last(client).status == 200
    assert_settled(world)


# S2: a fresh connection closes before it answers.


@pytest.mark.parametrize("end", ["eof", "reset"])
def test_a_fresh_connection_that_closes_is_another_worker_s_turn(end: str) -> None:
    world = World(silent, workers=2)
    client = world.client()
    client.send(GET)
    world.script = OK
    getattr(world.far, end)()
    assert only(client).status == 200
    assert [worker.id for worker in world.dialled] == ["w0", "w1"]
    assert world.workers[0].failures == 1
    assert_settled(world)


def test_a_post_on_a_fresh_connection_that_closes_is_not_sent_again() -> None:
    world = World(silent, workers=2)
    client = world.client()
    client.send(POST)
    world.far.reset()
    assert only(client).status == 502
    assert client.alive
    assert len(world.dialled) == 1
    assert world.faults == ["upstream_reset"]
    assert_settled(world)


def test_1xx_is_not_an_answer() -> None:
    world = World(silent, workers=2)
    client = world.client()
    client.send(GET)
    world.far.feed(b"HTTP/1.1 103 x\r\n\r\n")
    world.script = OK
    world.far.reset()
    assert only(client).status == 200
    assert_settled(world)


# S3, S4: the answer has begun.


def test_half_a_head_is_not_asked_for_again() -> None:
    world = World(silent, workers=2)
    client = world.client()
    client.send(GET)
    world.far.feed(b"HTTP/1.1 200 OK\r\n")
    world.far.reset()
    assert only(client).status == 502
    assert len(world.dialled) == 1
    assert world.faults == ["upstream_truncated"]
    assert_settled(world)


def test_nonsense_is_asked_of_one_other_worker() -> None:
    """And not of a third: both have failed."""
    world = World(silent, workers=3)
    client = world.client()
    client.send(GET)
    for number in range(2):
        assert len(world.dialled) == number + 1
        world.far.feed(b"no answer\r\n\r\n")
    assert only(client).status == 502
    assert len(world.dialled) == 2
    assert world.faults[-1:] == ["bad_response"]
    assert_settled(world)


def test_a_forwarded_answer_is_not_asked_for_again() -> None:
    world = World(silent, workers=2)
    client = world.client()
    client.send(GET)
    world.far.feed(STREAM + HELLO)
    world.far.reset()
    response = only(client)
    assert (response.body, response.complete) == (b"hello", False)
    assert client.transport.lost
    assert len(world.dialled) == 1
    assert world.workers[0].failures == 1
    assert world.faults == ["upstream_truncated"]
    assert_settled(world)


def test_a_body_to_the_end_that_is_reset_is_not_whole() -> None:
    world = World(silent)
    client = world.client()
    client.send(GET)
    world.far.feed(b"HTTP/1.1 200 OK\r\n\r\nhello")
    world.far.reset()
    assert not only(client).complete
    assert_settled(world)


def test_a_body_to_the_end_that_is_reset_resets_a_client_that_knows_no_chunks() -> None:
    world = World(silent)
    client = world.client()
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    world.far.feed(b"HTTP/1.1 200 OK\r\n\r\nhello")
    world.far.reset()
    assert client.transport.aborted
    assert_settled(world)


def test_a_malformed_chunk_in_mid_answer() -> None:
    world = World(silent)
    client = world.client()
    client.send(GET)
    world.far.feed(STREAM + HELLO)
    world.far.feed(b"x\r\n")
    assert not only(client).complete
    assert world.far.transport.aborted
    assert world.faults == ["bad_response"]
    assert_settled(world)


# Rest.


def test_bytes_on_a_resting_connection_end_it() -> None:
    world = World()
    client, far = warmed(world)
    far.feed(OK)
    assert far.transport.aborted
    assert world.workers[0].idle == []
    world.script = OK
    client.send(GET)
    assert world.far is not far
    assert world.workers[0].failures == 0


@pytest.mark.parametrize("end", ["eof", "reset"])
def test_a_resting_connection_that_ends_is_forgotten(end: str) -> None:
    world = World()
    client, far = warmed(world)
    getattr(far, end)()
    assert world.workers[0].idle == []
    assert world.edge.upstreams == set()
    world.script = OK
    client.send(POST)
    assert last(client).status == 200


def test_a_connection_that_is_closing_is_not_taken() -> None:
    world = World()
    client, far = warmed(world)
    far.transport.closing = True  # its connection_lost has not been called yet
    world.script = OK
    client.send(POST)
    assert last(client).status == 200
    assert world.far is not far


def test_rest_ends_with_the_idle_limit() -> None:
    world = World()
    _, far = warmed(world)
    world.advance(3.5)
    assert not far.transport.closing
    world.advance(1)
    assert far.transport.lost


def test_the_worker_s_own_idle_limit_holds() -> None:
    world = World(b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=2, max=5\r\nContent-Length: 0\r\n\r\n")
    client = world.client()
    client.send(GET)
    world.advance(0.9)
    assert not world.far.transport.closing
    world.advance(0.5)
    assert world.far.transport.lost


def test_rest_ends_with_the_operator_s_limit() -> None:
    world = World(limits=Limits(upstream_idle=1))
    _, far = warmed(world)
    world.advance(1.5)
    assert far.transport.lost


def test_an_old_connection_does_not_rest_again() -> None:
    world = World(limits=Limits(upstream_lifetime=5))
    client, far = warmed(world)
    for _ in range(3):
        world.advance(2)
        client.send(GET)
        far.feed(OK)
    assert [len(each.requests) for each in world.far_workers] == [4]
    assert far.transport.lost
    client.send(GET)
    assert len(world.far_workers) == 2


def test_the_warmest_connection_is_taken() -> None:
    world = World(silent)
    clients = [world.client() for _ in range(3)]
    for client in clients:
        client.send(GET)
    for far in world.far_workers:
        far.feed(OK)
    clients[0].send(GET)
    assert [len(far.requests) for far in world.far_workers] == [1, 1, 2]


def test_rest_is_bounded() -> None:
    world = World(silent)
    for _ in range(Limits().upstream_resting + 3):
        world.client().send(GET)
    for far in world.far_workers:
        far.feed(OK)
    assert len(world.workers[0].idle) == Limits().upstream_resting
    assert sum(far.transport.lost for far in world.far_workers) == 3
    assert_settled(world)


# Time.


def test_a_worker_that_does_not_answer() -> None:
    world = World(silent, workers=2, limits=Limits(first_byte=20))
    client = world.client()
    client.send(GET)
    world.advance(19)
    assert client.got == b""
    world.advance(2)
    assert only(client).status == 504
    assert client.alive
    assert world.far.transport.aborted
    assert len(world.dialled) == 1
    assert world.faults == ["response_timeout"]
    assert_settled(world)


def test_the_time_to_answer_begins_with_the_end_of_the_request() -> None:
    world = World(silent, limits=Limits(first_byte=5, body_idle=30, body_rate=0.1))
    client = world.client()
    client.send(POST[:-3])
    world.advance(20)
    assert client.got == b""
    client.send(POST[-3:])
    world.advance(4)
    assert client.got == b""
    world.advance(2)
    assert only(client).status == 504


def test_interim_answers_do_not_stop_the_clock() -> None:
    world = World(silent, limits=Limits(first_byte=5))
    client = world.client()
    client.send(GET)
    for _ in range(6):
        world.far.feed(b"HTTP/1.1 103 x\r\n\r\n")
        world.advance(1)
    assert only(client).status == 504


def test_a_dripped_answer_head_does_not_stop_the_clock() -> None:
    world = World(silent, limits=Limits(first_byte=5))
    client = world.client()
    client.send(GET)
    for byte in b"HTTP/1.1 200 OK":
        world.far.feed(bytes([byte]))
        world.advance(1)
        if client.got:
            break
    assert only(client).status == 504


@pytest.mark.parametrize("rate", [100, 300])
def test_an_answer_of_known_length_must_make_the_rate(rate: int) -> None:
    """Each piece comes in time, but one that drips would hold the client for ever."""
    world = World(silent, limits=Limits(stream_idle=20, body_rate=240))
    client = world.client()
    client.send(GET)
    world.far.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n")
    for _ in range(40):
        world.far.feed(b"a" * rate)
        world.advance(1)
    assert world.faults == (["upstream_stalled"] if rate < 240 else [])
    assert client.alive == (rate > 240)


def test_a_stream_makes_no_rate() -> None:
    world = World(silent, limits=Limits(stream_idle=20, body_rate=240))
    client = world.client()
    client.send(GET)
    world.far.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(40):
        world.far.feed(b"1\r\na\r\n")
        world.advance(10)
    assert client.alive


def test_an_answer_that_stops() -> None:
    world = World(silent, limits=Limits(stream_idle=10))
    client = world.client()
    client.send(GET)
    world.far.feed(STREAM)
    for _ in range(5):
        world.far.feed(HELLO)
        world.advance(9)
    world.advance(2)
    response = only(client)
    assert (response.body, response.complete) == (b"hello" * 5, False)
    assert client.transport.lost
    assert world.far.transport.aborted
    assert world.faults == ["upstream_stalled"]
    assert_settled(world)


@pytest.mark.parametrize("piece", [70000, 140000])
def test_time_does_not_run_against_a_worker_that_is_not_read(piece: int) -> None:
    world = World(silent, limits=Limits(stream_idle=5, write_idle=60))
    client = world.client()
    client.transport.window = 0
    client.send(GET)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 140000\r\n\r\n"
    world.far.feed(head + b"a" * piece if piece < 140000 else head)
    if piece == 140000:
        world.far.feed(b"a" * 70000)
    world.advance(30)
    assert client.alive
    client.read()
    world.advance(4)
    assert client.alive
    world.advance(2)
    assert not only(client).complete
    assert world.faults == ["upstream_stalled"]


def test_a_worker_that_does_not_read() -> None:
    world = World(silent, limits=Limits(write_idle=10))
    client = world.client()
    client.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
    world.far.transport.window = 0
    client.send(b"a" * 100000)
    world.advance(11)
    assert only(client).status == 504
    assert world.far.transport.aborted
    assert world.workers[0].failures == 1
    world.advance(3)
    assert client.transport.lost
    assert_settled(world)


def test_a_connection_whose_deadline_fails_costs_only_itself() -> None:
    world = World()

    class Broken:
        read_deadline = write_deadline = 0.0
        aborted = False

        def due(self, now: float) -> None:
            raise RuntimeError

        def abort(self) -> None:
            self.aborted = True
            world.edge.clients.discard(self)

    broken = Broken()
    client = world.client()
    world.edge.clients.add(broken)
    world.advance(80)
    assert broken.aborted
    assert [type(context["exception"]) for context in world.loop.complaints] == [RuntimeError]
    assert client.transport.lost


# Workers come and go.


def test_round_robin_over_workers() -> None:
    def named(far: FarWorker, request: Request) -> None:
        far.transport.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + far.connection.worker.id.encode())

    world = World(named, workers=3)
    client = world.client()
    client.send(GET * 6)
    assert [response.body for response in read_responses(client.got, False)] == [b"w0", b"w1", b"w2"] * 2
    assert len(world.far_workers) == 3
    assert_settled(world)


def test_in_flight_counts_what_is_under_way() -> None:
    world = World(silent)
    clients = [world.client() for _ in range(3)]
    for client in clients:
        client.send(GET)
    assert world.in_flight == 3
    world.far_workers[0].feed(OK)
    clients[1].reset()
    assert world.in_flight == 1
    world.far_workers[2].reset()
    assert world.in_flight == 0


def test_a_worker_that_has_finished_and_does_not_read_is_left_at_once() -> None:
    world = World(silent)
    client = world.client()
    client.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
    world.far.transport.window = 0
    client.send(b"a" * 10000)
    world.far.eof()
    assert only(client).status == 502
    assert world.far.transport.lost
    assert_settled(world)
