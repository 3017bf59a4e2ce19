"""The walk over a head's bytes: the same lines as a plain split would give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.errors import MALFORMED, ProtocolError
from edgeproxy.http.fields import REQUEST_FIELDS, TEXT_BYTES
from edgeproxy.http.scan import scan_fields, scan_request_line

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
    notes = scan_fields(b"skipped" + data + b"\r\n", 7, 7 + len(data), REQUEST_FIELDS, MALFORMED)
    pairs = [(name, value) for name, _, value, _ in lines]
    assert notes.count == len(lines)
    assert notes.plain == b"".join(b"%b: %b\r\n" % pair for pair in pairs if pair[0] not in SPECIAL | DROPPED)
    assert [(name, value) for _, name, value in notes.noted] == [pair for pair in pairs if pair[0] in SPECIAL]


@given(st.binary(max_size=40))
def test_only_our_own_error_comes_out(noise: bytes) -> None:
    data = noise + b"\r\n\r\n"
    end = data.index(b"\r\n\r\n") + 2
    try:
        notes = scan_fields(data, 0, end, REQUEST_FIELDS, MALFORMED)
    except ProtocolError:
        pass
    else:
        assert not notes.plain.translate(None, TEXT_BYTES + b"\r\n")
        assert notes.plain.count(b"\n") == notes.plain.count(b"\r\n") == notes.plain.count(b"\r") <= notes.count


def test_request_line() -> None:
    assert scan_request_line(b"GET /a HTTP/1.1\r\n") == (3, 6)


@pytest.mark.parametrize(
    "line", [b"GET\r\n", b" /\r\n", b"GET  / x\r\n", b"GET /\r\n", b"GET /#a x\r\n", b"G\xffT / x\r\n"]
)
def test_no_request_line(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        scan_request_line(line)
