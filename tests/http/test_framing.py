"""Lengths and Connection options."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.errors import MALFORMED, ProtocolError
from edgeproxy.http.framing import connection_options, parse_content_length, without


@given(st.integers(0, 2**63 - 1))
def test_every_length_in_range(length: int) -> None:
    assert parse_content_length(b"%d" % length, MALFORMED) == length


@given(st.one_of(st.integers(2**63, 2**80).map(lambda length: b"%d" % length), st.binary(max_size=8)))
def test_nothing_else(value: bytes) -> None:
    usual = value.isdigit() and value.isascii() and (value == b"0" or not value.startswith(b"0"))
    if usual and int(value) < 2**63:
        assert parse_content_length(value, MALFORMED) == int(value)
    else:
        with pytest.raises(ProtocolError):
            parse_content_length(value, MALFORMED)


def test_options_of_all_lines() -> None:
    assert connection_options([b"Close, X", b" ,\tkeep-alive ,"], MALFORMED) == {b"close", b"x", b"keep-alive"}
    assert connection_options([b""], MALFORMED) == set()


@pytest.mark.parametrize("value", [b"a b", b"a;b", b"a,\x00", b'"a"', b"\xff"])
def test_options_are_tokens(value: bytes) -> None:
    with pytest.raises(ProtocolError):
        connection_options([value], MALFORMED)


def test_without() -> None:
    assert without(b"A: 1\r\nB: 2\r\na: 3\r\n", {b"a"}) == b"B: 2\r\n"
    assert without(b"A: b:c\r\n", {b"b"}) == b"A: b:c\r\n"
    assert without(b"", {b"a"}) == b""
