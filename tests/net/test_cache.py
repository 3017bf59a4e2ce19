"""Answers from the store, over connections: who gets them, and who does not."""

from __future__ import annotations

import pytest

from tests.wire.reading import Response, read_responses
from tests.wire.world import FarClient, FarWorker, Request, World

MEMORY = 1024 * 1024
GET = b"GET /a HTTP/1.1\r\nHost: site\r\n\r\n"


def get(*lines: bytes, target: bytes = b"/a", method: bytes = b"GET", host: bytes = b"site") -> bytes:
    return b"\r\n".join((method + b" " + target + b" HTTP/1.1", b"Host: " + host, *lines, b"", b""))


def ok(*lines: bytes, body: bytes = b"hello", control: bytes = b"max-age=30") -> bytes:
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join((b"HTTP/1.1 200 OK", b"Cache-Control: " + control, length, *lines, b"", body))


def world(script: object = None, **options: object) -> World:
    return World(script if script is not None else ok(), cache=MEMORY, **options)  # type: ignore[arg-type]


def ask(edge: World, *requests: bytes, client: FarClient | None = None) -> list[Response]:
    client = client or edge.client()
    before = len(client.got)
    for request in requests:
        client.send(request)
    return read_responses(client.got[before:], client.transport.ended, [request.split(b" ")[0] for request in requests])


def statuses(responses: list[Response]) -> list[bytes]:
    return [(response.value(b"cache-status") or b"").removeprefix(b"edgeproxy; ") for response in responses]


def test_the_second_is_answered_without_a_worker() -> None:
    edge = world()
    first, second = ask(edge, GET, GET)
    assert statuses([first, second]) == [b"fwd=miss; stored", b"hit; ttl=30"]
    assert (first.status, first.body) == (second.status, second.body) == (200, b"hello")
    assert len(edge.seen) == 1
    assert second.value(b"age") == b"0"
    assert second.value(b"date") is not None
    assert second.value(b"via") == b"1.1 edgeproxy"
    assert first.value(b"x-request-id") != second.value(b"x-request-id")
    assert edge.statuses == [200, 200]
    assert (edge.counters.cache_hits, edge.counters.cache_misses) == (1, 1)


def test_it_grows_old() -> None:
    edge = world()
    client = edge.client()
    ask(edge, GET, client=client)
    edge.advance(29)
    [hit] = ask(edge, GET, client=client)
    assert (hit.value(b"age"), statuses([hit])) == (b"29", [b"hit; ttl=1"])
    edge.advance(2)
    assert statuses(ask(edge, GET, GET, client=client)) == [b"fwd=stale; stored", b"hit; ttl=30"]
    assert len(edge.seen) == 2


def test_age_before_us_counts() -> None:
    edge = world(ok(b"Age: 20"))
    client = edge.client()
    ask(edge, GET, client=client)
    [hit] = ask(edge, GET, client=client)
    assert hit.value(b"age") == b"20"
    edge.advance(11)
    assert statuses(ask(edge, GET, client=client)) == [b"fwd=stale; stored"]


def test_a_lent_machine_is_believed_for_a_minute() -> None:
    forever = ok(control=b"public, max-age=31536000")
    assert statuses(ask(world(forever), GET, GET))[1] == b"hit; ttl=60"
    assert statuses(ask(world(forever, trusted=True), GET, GET))[1] == b"hit; ttl=31536000"


def test_head_is_answered_from_a_get() -> None:
    edge = world()
    _, head = ask(edge, GET, get(method=b"HEAD"))
    assert (head.status, head.value(b"content-length"), head.body) == (200, b"5", b"")
    assert statuses([head]) == [b"hit; ttl=30"]


def test_head_alone_stores_nothing() -> None:
    edge = world()
    ask(edge, get(method=b"HEAD"))
    assert len(edge.cache or ()) == 0


@pytest.mark.parametrize(
    "other",
    [
        get(host=b"other"),
        get(target=b"/b"),
        get(target=b"/a?x"),
        get(b"Range: bytes=0-1"),
        get(b"Cache-Control: no-cache"),
        get(b"Accept: b"),
    ],
)
def test_who_is_not_answered_with_it(other: bytes) -> None:
    edge = world(ok(b"Vary: Accept"))
    responses = ask(edge, get(b"Accept: a"), other)
    assert statuses(responses)[1].startswith(b"fwd=")
    assert len(edge.seen) == 2


def test_what_a_stranger_says_of_a_proxy_before_it_is_not_in_the_key() -> None:
    edge = world()
    assert statuses(ask(edge, GET, get(b"X-Forwarded-Host: evil")))[1] == b"hit; ttl=30"


def test_what_a_trusted_proxy_says_is_in_the_key() -> None:
    from ipaddress import ip_network

    edge = world()
    client = edge.client([ip_network("192.0.2.0/24")])
    ask(edge, get(b"X-Forwarded-Host: one", b"X-Forwarded-For: 10.1.1.1"), client=client)
    again = ask(
        edge,
        get(b"X-Forwarded-Host: two", b"X-Forwarded-For: 10.1.1.1"),
        get(b"X-Forwarded-Host: one", b"X-Forwarded-For: 10.1.1.2"),
        client=client,
    )
    assert statuses(again) == [b"fwd=miss; stored", b"hit; ttl=30"]


@pytest.mark.parametrize(
    ("line", "status"),
    [(b'If-None-Match: "v1"', 304), (b'If-None-Match: "v2"', 200), (b"Accept: x", 200)],
)
def test_who_has_it_is_told_so(line: bytes, status: int) -> None:
    edge = world(ok(b'ETag: "v1"'))
    _, second = ask(edge, GET, get(line))
    assert second.status == status
    assert second.body == (b"" if status == 304 else b"hello")
    assert (second.value(b"content-length") is None) is (status == 304)
    assert len(edge.seen) == 1


def test_only_if_cached() -> None:
    edge = world()
    none, _, hit = ask(edge, get(b"Cache-Control: only-if-cached"), GET, get(b"Cache-Control: only-if-cached"))
    assert (none.status, hit.status) == (504, 200)
    assert len(edge.seen) == 1


@pytest.mark.parametrize(("method", "answer", "kept"), [(b"POST", 200, 0), (b"DELETE", 200, 0), (b"PUT", 500, 1)])
def test_what_is_written_makes_untrue_what_was_read(method: bytes, answer: int, kept: int) -> None:
    def script(far: FarWorker, request: Request) -> None:
        plain = b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % answer
        far.transport.feed(ok() if request.line.startswith(b"GET") else plain)

    edge = world(script)
    responses = ask(edge, GET, get(b"Content-Length: 0", method=method))
    assert statuses(responses)[1] == b"fwd=method"
    assert len(edge.cache or ()) == kept


@pytest.mark.parametrize("body", [b"5\r\nhello\r\n0\r\n\r\n", b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"])
def test_a_stream_is_stored_when_it_is_whole(body: bytes) -> None:
    edge = world(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=9\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    first, second = ask(edge, GET, GET)
    assert statuses([first, second]) == [b"fwd=miss", b"hit; ttl=9"]
    assert second.body == b"hello"
    assert second.value(b"content-length") == b"5"


def test_half_an_answer_is_not_stored() -> None:
    def breaking(far: FarWorker, request: Request) -> None:
        far.transport.feed(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=9\r\nContent-Length: 5\r\n\r\nhe")
        far.transport.feed_eof()

    edge = world(breaking)
    [response] = ask(edge, GET)
    assert not response.complete
    assert len(edge.cache or ()) == 0


@pytest.mark.parametrize("framing", [b"Content-Length: 2000000", b"Transfer-Encoding: chunked"])
def test_what_is_too_large_passes_and_is_not_stored(framing: bytes) -> None:
    body = b"a" * 2_000_000
    sent = body if b"Length" in framing else b"1e8480\r\n" + body + b"\r\n0\r\n\r\n"
    edge = world(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=9\r\n" + framing + b"\r\n\r\n" + sent)
    first, second = ask(edge, GET, GET)
    assert first.body == second.body == body
    assert statuses([first, second]) == [b"fwd=miss", b"fwd=miss"]


def test_an_answer_to_one_who_is_known_is_not_for_others() -> None:
    edge = world()
    ask(edge, get(b"Authorization: Bearer a"), get(b"Authorization: Bearer b"))
    assert len(edge.seen) == 2


def test_one_who_asked_to_close_is_closed() -> None:
    edge = world()
    ask(edge, GET)
    client = edge.client()
    [response] = ask(edge, get(b"Connection: close"), client=client)
    assert response.value(b"connection") == b"close"
    assert client.transport.lost


def test_without_a_cache_nothing_is_said_of_it() -> None:
    edge = World(ok())
    assert statuses(ask(edge, GET, GET)) == [b"", b""]
    assert len(edge.seen) == 2
