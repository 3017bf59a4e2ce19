"""Request heads: what is kept of them, and two other parsers as witnesses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgeproxy.errors import HEAD_TOO_LARGE, URI_TOO_LONG, ProtocolError
from edgeproxy.http.bounds import USUAL
from edgeproxy.http.request import RequestHead, parse_request
from tests.wire.cases import REQUESTS
from tests.witnesses import framing, request_by_h11, request_by_llhttp

TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def parse(data: bytes) -> RequestHead:
    return parse_request(data, data.index(b"\r\n\r\n"))


def try_parse(data: bytes) -> RequestHead | None:
    try:
        return parse(data)
    except ProtocolError:
        return None


def lines(*fields: bytes, start: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join((start, b"Host: a", *fields, b"", b""))


def test_what_is_kept() -> None:
    head = parse(
        lines(b"X: 1", b"Connection: x", b"Y:2", b"TE: trailers", b"Content-Length: 5", start=b"PUT /a?b HTTP/1.1")
    )
    assert (head.method, head.target, head.minor, head.host) == (b"PUT", b"/a?b", 1, b"a")
    assert (head.length, head.keep_alive, head.fields) == (5, True, b"Y: 2\r\n")
    assert head.forwarded is None


def test_what_earlier_proxies_say_is_kept_apart() -> None:
    head = parse(lines(b"X-Forwarded-For: 1", b"Forwarded: for=2", b"X-Forwarded-Whatever: 3", b"X-Request-ID: id"))
    assert head.fields == b""
    assert head.request_id == b"id"
    assert head.forwarded == [(b"X-Forwarded-For", b"1"), (b"Forwarded", b"for=2"), (b"X-Forwarded-Whatever", b"3")]


@pytest.mark.parametrize(
    ("fields", "start", "alive"),
    [
        ((), b"GET / HTTP/1.1", True),
        ((b"Connection: close",), b"GET / HTTP/1.1", False),
        ((b"Connection: keep-alive, CLOSE",), b"GET / HTTP/1.1", False),
        ((b"Connection: keep-alive", b"Connection: close"), b"GET / HTTP/1.1", False),
        ((), b"GET / HTTP/1.0", False),
        ((b"Connection: Keep-Alive",), b"GET / HTTP/1.0", True),
    ],
)
def test_keep_alive(fields: tuple[bytes, ...], start: bytes, alive: bool) -> None:
    assert parse(lines(*fields, start=start)).keep_alive is alive


@pytest.mark.parametrize("over", [0, 1])
def test_bounds(over: int) -> None:
    target = b"/" + b"a" * (USUAL.target - 2 + over)
    fields = [b"X: 1"] * (USUAL.fields - 1 + over)
    for data, fault in ((lines(start=b"GET " + target + b" HTTP/1.1"), URI_TOO_LONG), (lines(*fields), HEAD_TOO_LARGE)):
        if not over:
            assert try_parse(data) is not None
            continue
        with pytest.raises(ProtocolError) as error:
            parse(data)
        assert error.value.fault is fault


def test_expectation_needs_a_body() -> None:
    assert parse(lines(b"Expect: 100-continue", b"Content-Length: 1")).expect_continue
    assert parse(lines(b"Content-Length: 1", b"Expect: 100-CONTINUE")).expect_continue
    assert parse(lines(b"Expect: 100-continue", b"Transfer-Encoding: chunked")).expect_continue
    assert not parse(lines(b"Expect: 100-continue", b"Content-Length: 0")).expect_continue
    assert not parse(lines(b"Expect: 100-continue")).expect_continue


@pytest.mark.parametrize("sent", [b"G\x00 / H", b"GET /secret\x00 HTTP/1.1", b"GET / HTTP/1.1\r\nHost: a secret"])
def test_the_errors_say_nothing_of_the_peer_s_bytes(sent: bytes) -> None:
    with pytest.raises(ProtocolError) as error:
        parse(sent + b"\r\n\r\n")
    assert "secret" not in str(error.value)


# The witnesses.


def assert_witnessed(data: bytes) -> None:
    """What both refuse, ours refuses; what ours accepts, each that accepts it reads the same way."""
    data = data[: data.index(b"\r\n\r\n") + 4]
    ours = try_parse(data)
    llhttp, strict = request_by_llhttp(data), request_by_h11(data)
    if ours is None:
        return
    assert llhttp is not None or strict is not None, "both refuse it"
    if llhttp is not None:
        method, target, fields = llhttp
        assert method == ours.method
        assert target == ours.target or target.startswith(b"http")
        assert framing(fields) == ours.length
        assert plain(fields) == plain(parsed(ours.fields)) or b"connection" in {name.lower() for name, _ in fields}
    if strict is not None:
        assert bytes(strict.method) == ours.method
        assert bytes(strict.target) == ours.target or strict.target.startswith(b"http")
        assert framing(list(strict.headers)) == ours.length


def parsed(fields: bytes) -> list[tuple[bytes, bytes]]:
    pairs = [line.partition(b": ") for line in fields.split(b"\r\n")[:-1]]
    return [(name, value) for name, _, value in pairs]


def plain(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Those that no rule of ours touches."""
    return [(name, value.strip(b" \t")) for name, value in fields if name[:2].lower() == b"a-" and b"_" not in name]


odd = st.sampled_from(
    [b"", b" ", b"\t", b"\r", b"\n", b"\x00", b"\x0b", b"\xa0", b"\xff", b",", b";", b":", b"chunked", b"5"]
)
names = st.one_of(
    st.sampled_from(
        [b"Content-Length", b"Transfer-Encoding", b"Host", b"Connection", b"Expect", b"Upgrade", b"A-1",
         b"content-length", b"TRANSFER-ENCODING", b"Content_Length", b"TE", b"Content-Type"]
    ),
    st.text(TOKEN, min_size=1, max_size=6).map(lambda name: b"A-" + name.encode()),
    st.binary(max_size=6),
)  # fmt: skip
values = st.one_of(
    st.sampled_from(
        [b"5", b"0", b"chunked", b"close", b"100-continue", b"a", b"gzip, chunked", b"5, 5", b"-1", b"x" * 300]
    ),
    st.tuples(odd, st.sampled_from([b"5", b"chunked", b"a"]), odd).map(b"".join),
    st.binary(max_size=12),
)
field_lines = st.tuples(names, st.sampled_from([b": ", b":", b" : ", b":\t", b""]), values).map(b"".join)
request_lines = st.one_of(
    st.just(b"GET / HTTP/1.1"),
    st.tuples(
        st.sampled_from([b"GET", b"POST", b"HEAD", b"get", b"OPTIONS", b"PATCH", b"", b"G\x00T"]),
        st.sampled_from([b" ", b"  ", b"\t", b""]),
        st.one_of(st.sampled_from([b"/", b"*", b"http://a/b", b"/a b", b"//", b"/#", b"/%00"]), st.binary(max_size=8)),
        st.sampled_from([b" ", b"  ", b"\t", b""]),
        st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"http/1.1", b"HTTP/1.11", b"HTTP/1.1 ", b""]),
    ).map(b"".join),
)
ends = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r", b"\r\r\n", b"\r\n "])


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    data = draw(request_lines) + draw(ends)
    if draw(st.integers(0, 9)):
        data += b"Host: a" + draw(ends)
    for line in draw(st.lists(field_lines, max_size=5)):
        data += line + draw(ends)
    return data + b"\r\n\r\n"


@settings(max_examples=1500)
@given(heads())
@example(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")
def test_heads_by_witnesses(data: bytes) -> None:
    assert_witnessed(data)


@settings(max_examples=500)
@given(st.binary(max_size=200))
def test_any_bytes_by_witnesses(noise: bytes) -> None:
    assert_witnessed(noise + b"\r\n\r\n")


@settings(max_examples=500)
@given(st.sampled_from([case.sent for case in REQUESTS if len(case.sent) < 500]), st.data())
def test_damaged_cases_by_witnesses(sent: bytes, data: st.DataObject) -> None:
    head = sent.partition(b"\r\n\r\n")[0]
    at = data.draw(st.integers(0, len(head)))
    damage = data.draw(st.one_of(odd, st.binary(max_size=2)))
    cut = data.draw(st.integers(0, 2))
    assert_witnessed(head[:at] + damage + head[at + cut :] + b"\r\n\r\n")


@pytest.mark.parametrize("case", [case for case in REQUESTS if b"\r\n\r\n" in case.sent], ids=str)
def test_cases_by_witnesses(case: Any) -> None:
    assert_witnessed(case.sent)
