"""What is plain, and that nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.api.plain import MAX_PLAIN, Incomplete, read_plain

HEAD = b"POST /api/worker/heartbeat HTTP/1.1\r\nHost: c\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"


def test_a_request_of_an_agent() -> None:
    request = read_plain(HEAD + b"{}GET /")
    assert request is not None
    assert (request.method, request.path, request.body) == (b"POST", b"/api/worker/heartbeat", b"{}")
    assert request.size == len(HEAD) + 2
    assert request.headers == {"host": "c", "content-type": "application/json", "content-length": "2"}


def test_every_beginning_of_it_is_incomplete() -> None:
    whole = HEAD + b"{}"
    for end in range(1, len(whole)):
        with pytest.raises(Incomplete):
            read_plain(whole[:end])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"POST /", b"POST  /"),
        (b"POST /", b"post /"),
        (b"/api", b"http://c/api"),
        (b"heartbeat ", b"heartbeat?a=b "),
        (b"heartbeat ", b"heart%62eat "),
        (b"Host: c\r\n", b""),
        (b"Host: c\r\n", b"Host: c\r\nHost: d\r\n"),
        (b"Host: c\r\n", b"Host: c\r\n folded\r\n"),
        (b"Host: c\r\n", b"Host: c\nX: y\r\n"),
        (b"Host: c\r\n", b"Host: c\r\nX\x00: y\r\n"),
        (b"Host: c\r\n", b"Host: c\r\nX: \xc3\xa9\r\n"),
        (b"Host: c\r\n", b"Host: c\r\nX : y\r\n"),
        (b"Host: c\r\n", b"Host: c\r\nTransfer-Encoding: chunked\r\n"),
        (b"Host: c\r\n", b"Host: c\r\nExpect: 100-continue\r\n"),
        (b"Host: c\r\n", b"Host: c\r\nUpgrade: websocket\r\n"),
        (b"Host: c\r\n", b"Host: c\r\nContent-Encoding: gzip\r\n"),
        (b"Host: c\r\n", b"Host: c\r\nConnection: close\r\n"),
        (b"Content-Length: 2", b"Content-Length: +2"),
        (b"Content-Length: 2", b"Content-Length: 02"),
        (b"Content-Length: 2", b"Content-Length: 2, 2"),
        (b"Content-Length: 2", b"Content-Length: 2\r\nContent-Length: 2"),
        (b"Content-Length: 2", b"Content-Length: "),
        (b"Content-Length: 2", b"Content-Length: 999999"),
        (b"POST", b"\r\nPOST"),
        (b"Host: c\r\n", b"Host: c\r\nX: " + b"y" * 9000 + b"\r\n"),
    ],
)
def test_what_is_not_plain(old: bytes, new: bytes) -> None:
    changed = HEAD.replace(old, new, 1)
    assert changed != HEAD
    assert read_plain(changed + b"{}") is None


@given(st.binary(max_size=400))
def test_no_bytes_upset_it(data: bytes) -> None:
    try:
        request = read_plain(data)
    except Incomplete:
        return
    assert request is None or request.size <= min(len(data), MAX_PLAIN)
