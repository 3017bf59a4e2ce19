"""The client's connection: order, flow, leaving, time, and endings that the client can read."""

from __future__ import annotations

import pytest

from edgeproxy.net.limits import Limits
from tests.wire.reading import Response, read_responses
from tests.wire.world import OK, FarClient, FarWorker, Request, World, silent

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
CHUNKED = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
EXPECTING = b"POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HELLO = b"5\r\nhello\r\n"
LAST = b"0\r\n\r\n"
MANY = Limits(keep_alive_requests=1_000_000)


def only(client: FarClient) -> Response:
    [response] = read_responses(client.got, client.transport.ended)
    return response


def assert_settled(world: World) -> None:
    assert world.in_flight == 0
    assert all(far.transport.late_writes == 0 for far in world.far_workers)


def assert_cancelled(world: World, far: FarWorker) -> None:
    assert far.transport.aborted
    assert far.transport.lost
    assert world.faults == ["client_left"]
    assert_settled(world)


# Order.


def test_the_second_request_waits_for_the_first_answer() -> None:
    world = World(silent)
    client = world.client()
    client.send(GET + GET.replace(b"/a", b"/b"))
    assert [request.line for request in world.seen] == [b"GET /a HTTP/1.1"]
    world.far.feed(STREAM + HELLO)
    assert len(world.seen) == 1
    world.far.feed(LAST)
    assert [request.line for request in world.seen] == [b"GET /a HTTP/1.1", b"GET /b HTTP/1.1"]
    assert len(world.far_workers) == 1


def test_pipelined_requests_beyond_the_bound_wait_in_the_kernel() -> None:
    world = World(silent, limits=MANY)
    client = world.client()
    client.send(GET)
    client.send_all([GET * 100] * 100)
    assert client.transport.paused_reading
    assert len(client.connection.buffer) < Limits().buffer + 2 * len(GET) * 100
    world.script = OK
    world.far.feed(OK)
    assert len(world.seen) == 1 + 100 * 100
    assert not client.transport.paused_reading
    assert_settled(world)


def test_local_answers_that_nobody_reads_do_not_pile_up() -> None:
    world = World(local=b"{}", limits=MANY)
    client = world.client()
    client.transport.window = 0
    client.send_all([GET * 200] * 200)
    assert client.transport.paused_reading
    assert len(client.connection.buffer) < Limits().buffer + 2 * len(GET) * 200
    assert len(client.transport.unsent) < Limits().buffer + 1024
    client.read()
    assert client.got.count(b"HTTP/1.1 200 OK\r\n") == 200 * 200
    assert not client.transport.paused_reading


# Flow.


def test_a_client_that_does_not_read_stops_the_worker() -> None:
    world = World(silent)
    client = world.client()
    client.transport.window = 0
    client.send(GET)
    far = world.far
    far.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"a" * 70000)
    assert far.transport.paused_reading
    far.feed(b"a" * 130000)
    assert len(client.transport.unsent) < 71000
    client.read(60000)
    assert not far.transport.paused_reading or len(client.transport.unsent) > Limits().buffer
    client.read()
    assert only(client).body == b"a" * 200000
    assert_settled(world)


def test_a_worker_that_does_not_read_stops_the_client() -> None:
    world = World(silent)
    client = world.client()
    client.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
    far = world.far
    far.transport.window = 0
    client.send(b"a" * 70000)
    assert client.transport.paused_reading
    client.send(b"a" * 130000)
    assert len(far.transport.unsent) < 71000
    far.transport.take()
    world.loop.run()
    assert not client.transport.paused_reading
    assert len(world.seen[0].body) == 200000
    far.feed(OK)
    assert only(client).status == 200
    assert_settled(world)


def test_a_body_without_connection_waits_in_the_kernel() -> None:
    world = World()
    world.dialer.hold = True
    client = world.client()
    client.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
    client.send_all([b"a" * 50000] * 20)
    assert client.transport.paused_reading
    assert sum(map(len, client.connection.exchange.unsent)) <= Limits().buffer + 50000
    world.dialer.release()
    assert len(world.seen[0].body) == 1000000
    assert only(client).status == 200


def test_time_does_not_run_against_a_client_that_is_not_read() -> None:
    world = World(silent, limits=Limits(body_idle=5, write_idle=60))
    client = world.client()
    client.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
    world.far.transport.window = 0
    client.send(b"a" * 70000)
    world.advance(30)
    assert client.alive
    world.far.transport.take()
    world.advance(4)
    assert client.alive
    world.advance(2)
    assert only(client).status == 408


# Leaving.


@pytest.mark.parametrize("leave", ["eof", "reset"])
@pytest.mark.parametrize(
    "heard",
    [b"", b"HTTP/1.1 2", b"HTTP/1.1 103 x\r\n\r\n", STREAM, STREAM + HELLO, b"HTTP/1.1 200 OK\r\n\r\nhello"],
    ids=["nothing", "half a head", "103", "a head", "a chunk", "until close"],
)
def test_leaving_cancels_the_worker_at_once(leave: str, heard: bytes) -> None:
    world = World(silent)
    client = world.client()
    client.send(GET)
    far = world.far
    if heard:
        far.feed(heard)
    getattr(client, leave)()
    assert_cancelled(world, far)
    assert world.statuses == [200 if b" 200 " in heard else 499]


@pytest.mark.parametrize("leave", ["eof", "reset"])
@pytest.mark.parametrize("sent", [POST, POST + b"hello", CHUNKED + HELLO, EXPECTING])
def test_leaving_in_the_body_cancels_the_worker_at_once(leave: str, sent: bytes) -> None:
    world = World(silent)
    client = world.client()
    client.send(sent)
    far = world.far
    getattr(client, leave)()
    assert_cancelled(world, far)
    assert world.seen == []


def test_leaving_while_dialling_keeps_the_connection_for_others() -> None:
    world = World()
    world.dialer.hold = True
    client = world.client()
    client.send(GET)
    client.eof()
    assert world.in_flight == 0
    world.dialer.release()
    assert world.seen == []
    assert world.workers[0].idle == [world.far.connection]
    other = world.client()
    other.send(GET)
    assert only(other).status == 200
    assert len(world.far_workers) == 1


def test_leaving_while_a_failing_dial_is_under_way() -> None:
    world = World()
    world.dialer.hold = True
    world.dialer.refuse()
    client = world.client()
    client.send(GET)
    client.reset()
    world.dialer.release()
    assert world.in_flight == 0
    assert world.faults == ["client_left"]


def test_leaving_between_requests_disturbs_nobody() -> None:
    world = World()
    client = world.client()
    client.send(GET)
    client.eof()
    assert client.transport.lost
    assert not world.far.transport.closing
    assert world.faults == [None]
    assert world.counters.open_connections == 0


def test_a_client_that_left_after_a_failover_is_what_the_log_says() -> None:
    world = World(silent, workers=2)
    client = world.client()
    client.send(GET)
    world.far.reset()
    client.eof()
    assert world.faults == ["client_left"]


# Time.


def test_a_silent_connection_is_closed() -> None:
    world = World()
    client = world.client()
    world.advance(74)
    assert client.alive
    world.advance(2)
    assert client.transport.lost
    assert client.got == b""


def test_a_dripped_head_is_refused() -> None:
    world = World(limits=Limits(head=10))
    client = world.client()
    for byte in GET:
        client.send(bytes([byte]))
        world.advance(1)
        if client.got:
            break
    assert only(client).status == 408
    assert only(client).value(b"connection") == b"close"
    world.advance(3)
    assert client.transport.lost
    assert world.counters.faults == {"request_timeout": 1}


def test_the_second_head_has_its_own_time() -> None:
    world = World(limits=Limits(head=10, keep_alive=75))
    client = world.client()
    client.send(GET)
    world.advance(60)
    client.send(GET[:5])
    world.advance(9)
    assert client.alive
    world.advance(2)
    assert [response.status for response in read_responses(client.got, True)] == [200, 408]


@pytest.mark.parametrize("sent", [POST + b"hello", CHUNKED + b"5\r\nhe", EXPECTING])
def test_a_body_that_stops_is_refused(sent: bytes) -> None:
    world = World(silent, limits=Limits(body_idle=5))
    client = world.client()
    client.send(sent)
    world.advance(6)
    assert read_responses(client.got, True)[-1].status == 408
    assert world.far.transport.aborted
    assert world.faults == ["body_timeout"]
    assert world.workers[0].failures == 0
    world.advance(3)
    assert client.transport.lost
    assert_settled(world)


def test_a_body_that_drips_is_refused() -> None:
    """Each byte comes in time, but at this rate the body would take a week."""
    world = World(silent, limits=Limits(body_idle=5, body_rate=240))
    client = world.client()
    client.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
    for _ in range(12):
        client.send(b"a")
        world.advance(1)
    assert read_responses(client.got, True)[-1].status == 408
    assert world.faults == ["body_timeout"]
    assert_settled(world)


def test_a_slow_body_that_makes_the_rate_is_taken() -> None:
    world = World(silent, limits=Limits(body_idle=5, body_rate=240))
    client = world.client()
    client.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
    for _ in range(40):
        client.send(b"a" * 300)
        world.advance(1)
    assert client.got == b""
    assert client.alive


def test_a_reader_that_stops_is_cut_off() -> None:
    world = World(silent, limits=Limits(write_idle=60, stream_idle=60))
    client = world.client()
    client.transport.window = 0
    client.send(GET)
    world.far.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"a" * 70000)
    world.advance(61)
    assert client.transport.aborted
    assert world.far.transport.aborted
    assert world.faults == ["client_left"]
    assert world.workers[0].failures == 0, "the client's slowness counts against the worker"
    assert_settled(world)


def test_a_slow_reader_that_makes_the_rate_is_served() -> None:
    """Its reading moves our buffer below the low-water mark only after minutes."""
    world = World(silent, limits=Limits(write_idle=10, body_rate=240))
    client = world.client()
    client.transport.window = 0
    client.send(GET)
    world.far.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"a" * 70000)
    for _ in range(15):
        client.read(3000)
        world.advance(10)
    assert client.alive
    assert world.far.transport.paused_reading


def test_a_reader_below_the_rate_is_cut_off() -> None:
    world = World(silent, limits=Limits(write_idle=10, body_rate=240))
    client = world.client()
    client.transport.window = 0
    client.send(GET)
    world.far.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"a" * 70000)
    for _ in range(3):
        client.read(100)
        world.advance(5)
    assert client.transport.aborted
    assert world.faults == ["client_left"]


@pytest.mark.parametrize("request_line", [b"Connection: close\r\n", b""])
def test_a_small_answer_that_nobody_reads_does_not_hold_the_connection(request_line: bytes) -> None:
    world = World()
    client = world.client()
    client.transport.window = 0
    client.send(b"GET /a HTTP/1.1\r\nHost: a\r\n" + request_line + b"\r\n")
    world.advance(200)
    assert client.transport.lost
    assert world.edge.clients == set()


def test_a_broken_answer_that_nobody_reads_does_not_hold_the_connection() -> None:
    world = World(silent)
    client = world.client()
    client.transport.window = 0
    client.send(GET)
    world.far.feed(STREAM + HELLO)
    world.far.eof()
    world.advance(200)
    assert client.transport.lost
    assert world.edge.clients == set()


# How long a connection is used.


def closes(client: FarClient) -> list[bool]:
    return [response.value(b"connection") == b"close" for response in read_responses(client.got, True)]


def test_a_connection_ends_with_its_last_allowed_request() -> None:
    world = World(limits=Limits(keep_alive_requests=3))
    client = world.client()
    for _ in range(4):
        client.send(GET)
    assert closes(client) == [False, False, True]
    assert len(world.seen) == 3
    assert client.transport.lost


def test_pipelined_requests_behind_the_last_allowed_one_are_not_begun() -> None:
    world = World(limits=Limits(keep_alive_requests=3))
    client = world.client()
    client.send(GET * 5)
    assert closes(client) == [False, False, True]
    assert len(world.seen) == 3


def test_an_old_connection_ends_with_its_next_request() -> None:
    world = World(limits=Limits(client_lifetime=100, keep_alive=75))
    client = world.client()
    for _ in range(3):
        client.send(GET)
        world.advance(60)
    assert closes(client) == [False, False, True]
    assert client.transport.lost


def test_an_old_connection_keeps_its_stream() -> None:
    world = World(silent, limits=Limits(client_lifetime=100))
    client = world.client()
    client.send(GET)
    world.far.feed(STREAM)
    for _ in range(10):
        world.far.feed(HELLO)
        world.advance(50)
    world.far.feed(LAST)
    assert only(client).complete


# Endings.


def test_a_refused_client_is_read_for_a_moment() -> None:
    world = World()
    client = world.client()
    client.send(b"nonsense\r\n\r\n")
    assert client.transport.eof_delivered
    assert not client.transport.lost
    client.send(b"a" * Limits().buffer)
    assert not client.transport.lost
    client.send(b"a")
    assert client.transport.lost


def test_a_refused_client_that_closes_is_closed() -> None:
    world = World()
    client = world.client()
    client.send(b"nonsense\r\n\r\n")
    client.eof()
    assert client.transport.lost


def test_lingering_ends() -> None:
    world = World()
    client = world.client()
    client.send(b"nonsense\r\n\r\n")
    for _ in range(5):
        client.send(b"a")
        world.advance(0.5)
    assert client.transport.lost


def test_where_no_half_close_is_the_connection_closes() -> None:
    """TLS cannot end one direction; what still arrives while it closes is no request."""
    world = World(half_closes=False)
    client = world.client()
    client.transport.window = 0
    client.send(b"nonsense\r\n\r\n")
    assert client.transport.closing
    client.connection.data_received(GET)  # as a TLS transport does while its last records leave
    client.read()
    assert only(client).status == 400
    assert world.seen == []


def test_nothing_behind_a_close_is_understood_while_it_closes() -> None:
    world = World(half_closes=False)
    client = world.client()
    client.transport.window = 0
    client.send(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    client.connection.data_received(GET)
    world.loop.run()
    assert len(world.seen) == 1


def test_nothing_behind_a_broken_answer_is_understood_while_it_closes() -> None:
    world = World(silent, half_closes=False)
    client = world.client()
    client.transport.window = 0
    client.send(GET)
    world.far.feed(STREAM + HELLO)
    world.far.eof()
    client.connection.data_received(GET)
    world.loop.run()
    assert len(world.seen) == 1


# Bodies.


@pytest.mark.parametrize("over", [0, 1])
def test_a_head_of_the_exact_bound(over: int) -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX: "
    head += b"a" * (16 * 1024 - len(head) + over) + b"\r\n\r\n"
    for pieces in ([head], [head[:-1], head[-1:]], [head[:-3], head[-3:]], [head[:-4], head[-4:]]):
        client = World().client()
        client.send_all(pieces)
        assert only(client).status == (431 if over else 200)


def test_a_length_over_the_limit_is_refused_before_the_body() -> None:
    world = World(limits=Limits(body_bytes=9))
    client = world.client()
    client.send(POST)
    assert only(client).status == 413
    assert only(client).value(b"connection") == b"close"
    assert world.dialled == []


def test_chunks_over_the_limit_are_refused_in_mid_body() -> None:
    world = World(silent, limits=Limits(body_bytes=9))
    client = world.client()
    client.send(CHUNKED + HELLO)
    assert not client.got
    client.send(HELLO)
    assert only(client).status == 413
    assert world.far.transport.aborted
    assert world.seen == []
    assert_settled(world)


def test_a_body_of_the_exact_limit() -> None:
    world = World(limits=Limits(body_bytes=10))
    client = world.client()
    client.send(CHUNKED + HELLO + HELLO + LAST)
    client.send(POST + b"helloworld")
    assert [response.status for response in read_responses(client.got, False)] == [200, 200]


def test_a_malformed_chunk_in_mid_body() -> None:
    world = World(silent)
    client = world.client()
    client.send(CHUNKED + HELLO)
    client.send(b"x\r\n")
    assert only(client).status == 400
    assert world.far.transport.aborted
    assert world.faults == ["malformed_request"]
    assert world.workers[0].failures == 0
    assert_settled(world)


def test_a_malformed_chunk_while_the_answer_is_under_way() -> None:
    world = World(silent)
    client = world.client()
    client.send(CHUNKED + HELLO)
    world.far.feed(STREAM + HELLO)
    client.send(b"x\r\n")
    response = only(client)
    assert (response.status, response.complete) == (200, False)
    assert client.transport.lost
    assert world.far.transport.aborted
    assert world.faults == ["malformed_request"]
    assert_settled(world)


def test_100_continue_is_said_once_there_is_a_worker() -> None:
    world = World()
    world.dialer.hold = True
    client = world.client()
    client.send(EXPECTING)
    assert client.got == b""
    world.dialer.release()
    assert client.got == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"hello")
    assert only(client).status == 200
    assert world.seen[0].body == b"hello"
    assert world.seen[0].values(b"expect") == []
    assert client.alive


def test_no_100_continue_for_a_body_that_is_there() -> None:
    world = World()
    client = world.client()
    client.send(EXPECTING + b"hello")
    assert client.got.startswith(b"HTTP/1.1 200 ")


def test_no_100_continue_where_there_is_no_worker() -> None:
    world = World(workers=0)
    client = world.client()
    client.send(EXPECTING)
    response = only(client)
    assert (response.status, response.value(b"connection")) == (503, b"close")
    assert b" 100 " not in client.got


@pytest.mark.parametrize("sent", [POST + b"hello", CHUNKED + HELLO, EXPECTING])
def test_an_early_answer_ends_both_connections(sent: bytes) -> None:
    world = World(silent)
    client = world.client()
    client.send(sent)
    world.far.feed(b"HTTP/1.1 401 x\r\nContent-Length: 2\r\n\r\nno")
    response = read_responses(client.got, True)[-1]
    assert (response.status, response.body, response.value(b"connection")) == (401, b"no", b"close")
    assert world.far.transport.closing
    client.send(b"and the rest of the body " + GET)
    assert world.seen == []
    world.advance(3)
    assert client.transport.lost
    assert_settled(world)


def test_a_body_goes_on_while_the_answer_comes() -> None:
    def at_once(far: FarWorker, request: Request) -> None:
        far.transport.feed(LAST)

    world = World(at_once)
    client = world.client()
    client.send(CHUNKED + HELLO)
    world.far.feed(STREAM + HELLO)
    client.send(HELLO)
    client.send(LAST)
    assert world.seen[0].body == b"hellohello"
    response = only(client)
    assert (response.body, response.complete, response.value(b"connection")) == (b"hello", True, b"close")
    assert world.far.transport.closing
    assert_settled(world)


def test_an_early_answer_to_a_client_that_is_not_read() -> None:
    """The worker answers without reading: its connection must not wait for ever for it to read."""
    world = World(silent, limits=Limits(write_idle=60))
    client = world.client()
    client.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
    far = world.far
    far.transport.window = 0
    client.send(b"a" * 70000)
    far.feed(b"HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n")
    assert only(client).status == 413
    world.advance(200)
    assert far.transport.lost
    assert client.transport.lost
    assert world.edge.upstreams == set()
    assert_settled(world)


# Draining.


def test_draining_ends_what_rests_and_closes_what_works() -> None:
    world = World(silent)
    working, resting = world.client(), world.client()
    resting.send(GET)
    world.far.feed(OK)
    working.send(GET)
    world.edge.draining = True
    world.edge.drain()
    world.loop.run()
    assert resting.transport.lost
    assert working.alive
    world.far.feed(OK)
    assert only(working).value(b"connection") == b"close"
    assert working.transport.lost
    assert world.far.transport.lost
    assert_settled(world)


def test_a_connection_that_has_not_asked_yet_may_still_ask_while_the_process_drains() -> None:
    """It was opened to ask: closed now, its request would be lost with nobody to say whether it was done."""
    world = World()
    asking, silent = world.client(), world.client()
    world.edge.draining = True
    world.edge.drain()
    world.loop.run()
    assert asking.alive
    asking.send(GET)
    assert only(asking).status == 200
    assert only(asking).value(b"connection") == b"close"
    assert asking.transport.lost
    world.advance(2)
    assert silent.transport.lost
    assert_settled(world)


def test_one_that_has_finished_and_does_not_read_does_not_hold_the_connection() -> None:
    world = World()
    client = world.client()
    client.transport.window = 0
    client.send(GET)
    client.eof()
    world.advance(100)
    assert client.transport.lost
    assert world.edge.clients == set()
