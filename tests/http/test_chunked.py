"""The chunked coding: strict in, the same however it is cut, bounded in time."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.errors import BAD_RESPONSE, MALFORMED, ProtocolError
from edgeproxy.http.bounds import USUAL
from edgeproxy.http.chunked import LAST_CHUNK, ChunkedReader, chunk

payloads = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


def read(pieces: Iterable[bytes]) -> tuple[bytes, bytes, bool]:
    """(payload, rest, done) of a body that arrives in these pieces."""
    reader = ChunkedReader(MALFORMED)
    payload = rest = b""
    for piece in pieces:
        got, over = reader.feed(piece)
        payload += got
        rest += over
    return payload, rest, reader.done


def bytewise(body: bytes) -> list[bytes]:
    return [body[at : at + 1] for at in range(len(body))]


def refused(pieces: Iterable[bytes]) -> bool:
    try:
        read(pieces)
    except ProtocolError:
        return True
    return False


@given(payloads, st.binary(max_size=20), st.data())
def test_every_split_gives_the_same_payload(chunks: list[bytes], after: bytes, data: st.DataObject) -> None:
    body = b"".join(map(chunk, chunks)) + LAST_CHUNK + after
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert read(pieces) == (b"".join(chunks), after, True)


@given(st.binary(max_size=80))
def test_any_bytes_read_the_same_whole_and_one_by_one(body: bytes) -> None:
    assert refused([body]) == refused(bytewise(body))
    if not refused([body]):
        assert read([body]) == read(bytewise(body))


ACCEPTED = {
    b"5\r\nhello\r\n0\r\n\r\n": b"hello",
    b"5;a\r\nhello\r\n0\r\n\r\n": b"hello",
    b"5;a=b\r\nhello\r\n0\r\n\r\n": b"hello",
    b'5;a="b; c"\r\nhello\r\n0\r\n\r\n': b"hello",
    b'5;a="b\\"c"\r\nhello\r\n0\r\n\r\n': b"hello",
    b"5;a;b=c\r\nhello\r\n0;last\r\n\r\n": b"hello",
    b"A\r\n0123456789\r\n0\r\n\r\n": b"0123456789",
    b"a\r\n0123456789\r\n0\r\n\r\n": b"0123456789",
    b"0005\r\nhello\r\n000\r\n\r\n": b"hello",
    b"0\r\n\r\n": b"",
    b"0\r\nX-Checksum: 1\r\n\r\n": b"",
    b"1\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n": b"\r\n",
}


@pytest.mark.parametrize("body", ACCEPTED)
def test_accepted(body: bytes) -> None:
    assert read([body]) == read(bytewise(body)) == (ACCEPTED[body], b"", True)


REFUSED = [
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"+5\r\nhello\r\n0\r\n\r\n",
    b"-1\r\nhello\r\n0\r\n\r\n",
    b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n",
    b"5\t\r\nhello\r\n0\r\n\r\n",
    b"\r\nhello\r\n0\r\n\r\n",
    b"g\r\nhello\r\n0\r\n\r\n",
    b"\xd9\xa5\r\nhello\r\n0\r\n\r\n",
    b"00000000000000005\r\nhello\r\n0\r\n\r\n",  # 17 digits
    b"8000000000000000\r\nhello\r\n0\r\n\r\n",  # 2**63
    b"4000000000000001\r\nhello\r\n0\r\n\r\n",  # 2**62 + 1
    b"5;\r\nhello\r\n0\r\n\r\n",
    b"5; a\r\nhello\r\n0\r\n\r\n",
    b"5 ;a\r\nhello\r\n0\r\n\r\n",
    b"5;=b\r\nhello\r\n0\r\n\r\n",
    b"5;a=\r\nhello\r\n0\r\n\r\n",
    b"5;a=[\r\nhello\r\n0\r\n\r\n",
    b'5;a="[b"\r\nhello\r\n0\r\n\r\n',
    b'5;a="\\["\r\nhello\r\n0\r\n\r\n',
    b'5;a="b\\"\r\nhello\r\n0\r\n\r\n',
    b'5;a="b\x00"\r\nhello\r\n0\r\n\r\n',
    b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    b"5\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\n0\r\n\r\n",
    b"5\r\nhelloXX0\r\n\r\n",  # CVE-2025-43859
    b"5\r\nhello\rX0\r\n\r\n",
    b"5\r\nhello!\r\n0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n",
    b"0\n\n",
    b"0\r\n\n",
    b"0\r\nX: 1\n\r\n",
    b"0\r\nX : 1\r\n\r\n",
    b"0\r\n folded\r\n\r\n",
    b"0\r\nno colon\r\n\r\n",
    b"0\r\nX: a\x00b\r\n\r\n",
    b"0\r\nX: a\rb\r\n\r\n",
    b"0\r\nContent-Length: 5\r\n\r\n",
    b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"0\r\nHost: x\r\n\r\n",
    b"0\r\nAuthorization: x\r\n\r\n",
    b"0\r\nContent-Type: text/plain\r\n\r\n",
    b"0\r\nContent-Range: bytes 0-1/2\r\n\r\n",
    b"0\r\nContent_Length: 5\r\n\r\n",
    b"0\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n",
]


@pytest.mark.parametrize("body", REFUSED)
def test_refused(body: bytes) -> None:
    assert refused([body])
    assert refused(bytewise(body))


def test_quoted_backslashes_cost_no_more_than_their_length() -> None:
    """Two ways to read a backslash would be two to the power of their number."""
    assert refused([b'5;a="' + b"\\" * 240 + b"\x01\r\n"])


def test_the_fault_is_the_reader_s() -> None:
    with pytest.raises(ProtocolError) as error:
        ChunkedReader(BAD_RESPONSE).feed(b"x\r\n")
    assert error.value.fault is BAD_RESPONSE


@pytest.mark.parametrize("over", [0, 1])
def test_extensions_are_bounded(over: int) -> None:
    line = b"0" * 16 + b";" + b"a" * (USUAL.extension - 1 + over) + b"\r\n\r\n"
    assert refused([line]) is bool(over)
    assert refused(bytewise(line)) is bool(over)


def test_an_extension_without_end_is_refused_before_it_ends() -> None:
    assert refused([b"5;" + b"a" * 1000])
    assert refused(bytewise(b"5;" + b"a" * 1000))


@pytest.mark.parametrize("over", [0, 1])
def test_trailers_are_bounded_in_number(over: int) -> None:
    body = b"0\r\n" + b"X: 1\r\n" * (USUAL.trailers + over) + b"\r\n"
    assert refused([body]) is bool(over)


@pytest.mark.parametrize("over", [0, 1])
def test_trailers_are_bounded_in_bytes(over: int) -> None:
    body = b"0\r\nX: " + b"a" * (4096 - 3 + over) + b"\r\n\r\n"
    assert refused([body]) is bool(over)
    assert refused(bytewise(body)) is bool(over)


def test_a_trailer_without_end_is_refused_before_it_ends() -> None:
    assert refused([b"0\r\nX: " + b"a" * 5000])
    assert refused(bytewise(b"0\r\nX: " + b"a" * 5000))


def test_what_is_held_back_is_given_with_its_payload() -> None:
    reader = ChunkedReader(MALFORMED)
    assert reader.feed(b"5\r\nhel") == (b"hel", b"")
    assert reader.feed(b"lo\r") == (b"lo", b"")
    assert reader.feed(b"\n0\r\n\r") == (b"", b"")
    assert not reader.done
    assert reader.feed(b"\nGET") == (b"", b"GET")
    assert reader.done
    assert reader.feed(b" /") == (b"", b" /")
