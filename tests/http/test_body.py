"""Where bodies end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.errors import MALFORMED
from edgeproxy.http.body import BodyReader
from edgeproxy.http.chunked import LAST_CHUNK, chunk
from edgeproxy.http.framing import NO_BODY, UNTIL_CHUNKED, UNTIL_CLOSE


@given(st.binary(max_size=60), st.binary(max_size=20), st.lists(st.integers(0, 80), max_size=6), st.booleans())
def test_every_split_gives_the_same_payload(body: bytes, after: bytes, cuts: list[int], chunks: bool) -> None:
    sent = (chunk(body) if body else b"") + LAST_CHUNK if chunks else body
    data = sent + after
    cuts = sorted(min(cut, len(data)) for cut in cuts)
    reader = BodyReader(UNTIL_CHUNKED if chunks else len(body), MALFORMED)
    payload = rest = b""
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        got, over = reader.feed(data[start:end])
        payload, rest = payload + got, rest + over
        assert reader.done or not over
    assert (payload, rest, reader.done) == (body, after, True)


@pytest.mark.parametrize("length", [0, NO_BODY])
def test_nothing_is_done_at_once(length: int) -> None:
    reader = BodyReader(length, MALFORMED)
    assert reader.done
    assert reader.feed(b"next") == (b"", b"next")


def test_until_close_is_never_done() -> None:
    reader = BodyReader(UNTIL_CLOSE, MALFORMED)
    assert reader.ends_with_connection
    assert reader.feed(b"a") == (b"a", b"")
    assert not reader.done
    assert not BodyReader(5, MALFORMED).ends_with_connection
    assert not BodyReader(UNTIL_CHUNKED, MALFORMED).ends_with_connection


def test_the_largest_length() -> None:
    reader = BodyReader(2**63 - 1, MALFORMED)
    assert reader.feed(b"a" * 10) == (b"a" * 10, b"")
    assert not reader.done
