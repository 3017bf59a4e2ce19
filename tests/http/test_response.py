"""Response heads: only our own error, whatever the bytes, and the same framing as h11 reads."""

from __future__ import annotations

from typing import Any

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeproxy.errors import BAD_RESPONSE, ProtocolError
from edgeproxy.http.framing import NO_BODY, UNTIL_CHUNKED, UNTIL_CLOSE
from edgeproxy.http.response import ResponseHead, parse_response
from tests.http.test_request import ends, field_lines
from tests.wire.answers import ANSWERS
from tests.witnesses import response_by_h11, response_by_llhttp


def parse(data: bytes, to_head: bool = False) -> ResponseHead:
    return parse_response(data, data.index(b"\r\n\r\n"), to_head)


def test_what_is_kept() -> None:
    head = parse(
        b"HTTP/1.1 200 Fine\r\nX: 1\r\nConnection: x\r\nY:2\r\nKeep-Alive: max=5, timeout=7\r\nServer: s\r\n"
        b"Content-Length: 5\r\n\r\n"
    )
    assert (head.status, head.reason, head.minor, head.length) == (200, b"Fine", 1, 5)
    assert (head.fields, head.guarded, head.idle_limit) == (b"Y: 2\r\n", b"Server: s\r\n", 7)
    assert head.keep_alive


@pytest.mark.parametrize(
    ("status", "fields", "to_head", "length"),
    [
        (b"200", b"", False, UNTIL_CLOSE),
        (b"200", b"Content-Length: 0\r\n", False, 0),
        (b"200", b"Transfer-Encoding: Chunked\r\n", False, UNTIL_CHUNKED),
        (b"200", b"Content-Length: 5\r\n", True, NO_BODY),
        (b"204", b"Content-Length: 5\r\n", False, NO_BODY),
        (b"304", b"Transfer-Encoding: chunked\r\n", False, NO_BODY),
        (b"103", b"Content-Length: 5\r\n", False, NO_BODY),
        (b"205", b"Content-Length: 0\r\n", False, 0),
    ],
)
def test_length(status: bytes, fields: bytes, to_head: bool, length: int) -> None:
    assert parse(b"HTTP/1.1 " + status + b" x\r\n" + fields + b"\r\n", to_head).length == length


def try_parse(data: bytes) -> ResponseHead | None:
    fault = None
    try:
        return parse(data)
    except ProtocolError as error:
        fault = error.fault
    assert fault is BAD_RESPONSE
    return None


def assert_witnessed(data: bytes) -> None:
    """What both refuse, ours refuses; what ours accepts has the status and length that the witnesses read."""
    data = data[: data.index(b"\r\n\r\n") + 4]
    ours = try_parse(data)
    if ours is None:
        return
    strict, llhttp = response_by_h11(data), response_by_llhttp(data)
    assert strict is not None or llhttp is not None, "both refuse it"
    if llhttp is not None:
        assert llhttp[0] == ours.status
    if type(strict) is h11.Response:
        assert strict.status_code == ours.status
        values = dict(strict.headers)
        if ours.length >= 0:
            assert int(values[b"content-length"]) == ours.length
        elif ours.length == UNTIL_CHUNKED:
            assert values[b"transfer-encoding"].lower() == b"chunked"
        elif ours.length == UNTIL_CLOSE:
            assert not values.keys() & {b"content-length", b"transfer-encoding"}


status_lines = st.one_of(
    st.just(b"HTTP/1.1 200 OK"),
    st.tuples(
        st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2", b"http/1.1", b""]),
        st.sampled_from([b" ", b"  ", b"\t"]),
        st.one_of(st.sampled_from([b"200", b"204", b"304", b"103", b"099", b"600", b"20"]), st.binary(max_size=4)),
        st.sampled_from([b"", b" ", b" OK", b"\tOK", b" \x00", b" \xff"]),
    ).map(b"".join),
)


@settings(max_examples=1000)
@given(status_lines, st.lists(st.tuples(field_lines, ends), max_size=5), ends)
def test_heads_by_witnesses(line: bytes, fields: list[tuple[bytes, bytes]], end: bytes) -> None:
    assert_witnessed(line + end + b"".join(field + end for field, end in fields) + b"\r\n\r\n")


@settings(max_examples=500)
@given(st.binary(max_size=200))
def test_any_bytes_by_witnesses(noise: bytes) -> None:
    assert_witnessed(noise + b"\r\n\r\n")


@pytest.mark.parametrize("case", [case for case in ANSWERS if b"\r\n\r\n" in case.said], ids=str)
def test_cases_by_witnesses(case: Any) -> None:
    assert_witnessed(case.said)


def test_spellings_that_peers_invent_are_not_remembered_without_bound() -> None:
    for number in range(5000):
        assert parse(b"HTTP/1.1 200 reason %d\r\nname-%d-which-is-longer-than-thirty-two: 1\r\n\r\n" % (number, number))
    assert parse(b"HTTP/1.1 200 reason 4999\r\nContent-length: 7\r\n\r\n").length == 7
