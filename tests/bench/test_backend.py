"""The backend, byte for byte: a backend that is wrong would make every peer look right."""

from unittest.mock import Mock

import pytest

from bench.backend import MAX_BODY, MAX_HEAD, Backend, payload


def talk(*pieces: bytes) -> tuple[bytes, bool]:
    """What it answers to these pieces, and whether it closed."""
    transport = Mock()
    backend = Backend()
    backend.connection_made(transport)
    for piece in pieces:
        backend.data_received(piece)
    answer = b"".join(call.args[0] for call in transport.write.call_args_list)
    return answer, transport.close.called


def get(size: int | str) -> bytes:
    return f"GET /bytes/{size} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


def post(body: bytes, length: int) -> bytes:
    return b"POST /upload HTTP/1.1\r\ncontent-LENGTH:  %d \r\n\r\n" % length + body


@pytest.mark.parametrize("size", [0, 1, 251, 252, 100_000])
def test_a_download_has_its_length_and_its_bytes(size: int) -> None:
    answer, closed = talk(get(size))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nContent-Length: %d" % size in head
    assert body == payload(size)
    assert len(body) == size
    assert not closed


def test_a_lost_block_changes_every_byte_that_follows() -> None:
    whole = payload(10_000)
    assert whole[:4096] + whole[8192:] != whole[: 10_000 - 4096]


def test_an_upload_is_counted_once_and_the_connection_goes_on() -> None:
    answer, closed = talk(post(payload(1000), 1000), get(3))
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b"\r\n\r\n1000HTTP/1.1" in answer
    assert answer.endswith(b"\r\n\r\n" + payload(3))
    assert not closed


@pytest.mark.parametrize("request_bytes", [get(20), post(payload(40), 40)])
def test_pieces_of_one_byte_make_the_same_answer(request_bytes: bytes) -> None:
    pieces = [request_bytes[at : at + 1] for at in range(len(request_bytes))]
    assert talk(*pieces) == talk(request_bytes)


@pytest.mark.parametrize(
    "request_bytes",
    [
        get("x"),
        get(MAX_BODY + 1),
        get("9" * 5000),
        get(1) + get(1),
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST /upload HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        post(b"", MAX_BODY + 1),
        post(b"\x01", 10),
        post(payload(11), 10),
        b"GET /bytes/1 HTTP/1.1\r\nX: " + b"x" * MAX_HEAD,
    ],
)
def test_what_it_does_not_know_it_refuses(request_bytes: bytes) -> None:
    answer, closed = talk(request_bytes)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"200 OK" not in answer
    assert closed
