"""The worker behind every peer: fast and dumb, so that it is not what is measured.

`GET /bytes/N` answers N bytes of `payload`; `POST` with a Content-Length answers how many bytes arrived, in
digits, after comparing each with `payload`. Anything else, pipelining too, is a 400 and a closed connection.
"""

from __future__ import annotations

import argparse
import asyncio
from functools import lru_cache
from typing import cast

MAX_BODY = 64 * 1024 * 1024  # bytes; a scenario needs 10 MiB
MAX_HEAD = 64 * 1024

_PERIOD = bytes(range(251))  # a prime, so that a block that is lost or repeated shifts all that follows
_HEAD = b"HTTP/1.1 %s\r\nServer: backend\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
_TYPE = b"Content-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"


@lru_cache(maxsize=8)
def payload(size: int) -> bytes:
    """The only body there is: `size` bytes whose values depend on their position."""
    return (_PERIOD * (size // len(_PERIOD) + 1))[:size]


def ok(body: bytes) -> bytes:
    return _HEAD % b"200 OK" + _TYPE % len(body) + body


@lru_cache(maxsize=8)
def _download(digits: bytes) -> bytes | None:
    size = _size(digits)
    return None if size is None else ok(payload(size))


def _size(digits: bytes) -> int | None:
    if not digits.isdigit() or len(digits) > 9 or int(digits) > MAX_BODY:
        return None
    return int(digits)


class Backend(asyncio.Protocol):
    """One connection, one request at a time. `_left` counts the bytes of an upload that are still to come."""

    def __init__(self) -> None:
        self._pending = b""
        self._expected = b""
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._upload(data)
            return
        data = self._pending + data
        end = data.find(b"\r\n\r\n")
        if end >= 0:
            self._pending = b""
            self._request(data, end + 4)
        elif len(data) <= MAX_HEAD:
            self._pending = data
        else:
            self._refuse()

    def _request(self, data: bytes, body_at: int) -> None:
        if not data.startswith(b"GET /bytes/"):
            self._begin_upload(data[:body_at], data[body_at:])
            return
        answer = _download(data[11 : data.find(b" ", 11)])
        if answer is None or len(data) != body_at:
            self._refuse()
        else:
            self._transport.write(answer)

    def _begin_upload(self, head: bytes, rest: bytes) -> None:
        size = _content_length(head) if head.startswith(b"POST ") else None
        if size is None:
            self._refuse()
            return
        self._expected = payload(size)
        self._left = size
        self._upload(rest)

    def _upload(self, data: bytes) -> None:
        if not self._expected.startswith(data, len(self._expected) - self._left):
            self._refuse()
            return
        self._left -= len(data)
        if not self._left:
            self._transport.write(ok(b"%d" % len(self._expected)))

    def _refuse(self) -> None:
        self._transport.write(_HEAD % b"400 Bad Request" + b"Connection: close\r\nContent-Length: 0\r\n\r\n")
        self._transport.close()


def _content_length(head: bytes) -> int | None:
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return _size(rest[: rest.find(b"\r\n")].strip()) if found else None


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


def main() -> None:
    import uvloop

    parser = argparse.ArgumentParser(prog="python -m bench.backend")
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
