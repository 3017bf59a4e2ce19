"""The walk over a head's bytes: the same lines as a plain split would give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.errors import ProtocolError
from edgeproxy.http.fields import REQUEST_FIELDS, TEXT_BYTES
from edgeproxy.http.scan import head_end, scan_request_line
from tests.http.noted import scan

names = st.sampled_from(
    [b"A", b"B-c", b"Host", b"TE", b"Content-Length", b"X-Forwarded-For", b"under_score", b"d" * 40]
)
blanks = st.sampled_from([b"", b" ", b"\t", b"  ", b" \t "])
values = st.lists(st.sampled_from([bytes([byte]) for byte in TEXT_BYTES]), max_size=8).map(
    lambda value: b"".join(value).strip(b" \t")
)
SPECIAL = {b"Host", b"Content-Length", b"X-Forwarded-For"}
DROPPED = {b"TE", b"under_score"}


@given(st.lists(st.tuples(names, blanks, values, blanks), max_size=8))
def test_lines_are_kept_in_order_and_usual_form(lines: list[tuple[bytes, bytes, bytes, bytes]]) -> None:
    data = b"".join(b"%b:%b%b%b\r\n" % line for line in lines)
    notes = scan(b"skipped" + data + b"\r\n", 7, 7 + len(data), REQUEST_FIELDS)
    pairs = [(name, value) for name, _, value, _ in lines]
    assert notes.count == len(lines)
    assert notes.fields == b"".join(b"%b: %b\r\n" % pair for pair in pairs if pair[0] not in SPECIAL | DROPPED)
    special = [pair for pair in pairs if pair[0] in SPECIAL]
    assert [value for _, _, value in notes.noted] == [value for _, value in special]
    wanted = [b"%b: %b\r\n" % pair if pair[0] == b"X-Forwarded-For" else b"" for pair in special]
    assert [line for _, line, _ in notes.noted] == wanted


@given(st.binary(max_size=40))
def test_only_our_own_error_comes_out(noise: bytes) -> None:
    data = noise + b"\r\n\r\n"
    end = data.index(b"\r\n\r\n") + 2
    try:
        notes = scan(data, 0, end, REQUEST_FIELDS)
    except ProtocolError:
        pass
    else:
        assert not notes.fields.translate(None, TEXT_BYTES + b"\r\n")
        assert notes.fields.count(b"\n") == notes.fields.count(b"\r\n") == notes.fields.count(b"\r") <= notes.count


def test_request_line() -> None:
    assert scan_request_line(b"GET /a HTTP/1.1\r\n") == (3, 6)


@pytest.mark.parametrize(
    "line", [b"GET\r\n", b" /\r\n", b"GET  / x\r\n", b"GET /\r\n", b"GET /#a x\r\n", b"G\xffT / x\r\n"]
)
def test_no_request_line(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        scan_request_line(line)


@given(st.lists(st.sampled_from([b"\r", b"\n", b"a", b"bc", b"\r\n", b"\r\n\r"]), max_size=12).map(b"".join))
def test_a_head_ends_where_a_search_finds_it(data: bytes) -> None:
    assert head_end(data) == data.find(b"\r\n\r\n")
