"""Requests in the plain form that agents send, read in one step. Pure.

Only what can be read in one way is read here: HTTP/1.1, one Host, one Content-Length, nothing that changes framing
or the connection. Everything else, wrong or just rare, is None: aiohttp's parser sees to it.
"""

import re
from dataclasses import dataclass
from typing import Final

MAX_HEAD: Final = 8 * 1024  # as aiohttp's
MAX_PLAIN: Final = 64 * 1024  # of head and body: what is longer goes the long way

_LINE: Final = re.compile(rb"(GET|POST|DELETE) (/[A-Za-z0-9/_.~-]{0,400}) HTTP/1\.1\r\n")
_FIELD: Final = re.compile(rb"([A-Za-z0-9-]{1,64}):[ ]?((?:[!-~](?:[ -~]*[!-~])?)?)[ ]?\r\n")
_FIELDS: Final = re.compile(rb"(?:[A-Za-z0-9-]{1,64}:[ -~]*\r\n)*")
_LENGTH: Final = re.compile(r"0|[1-9][0-9]{0,5}")
# what changes how a message is read, or what its connection does
_UNUSUAL: Final = frozenset(
    {"transfer-encoding", "expect", "upgrade", "content-encoding", "trailer", "te", "keep-alive", "http2-settings"}
)


class Incomplete(Exception):
    """Plain so far, and more must come."""


@dataclass(slots=True)
class Plain:
    """A whole request; `size` is what it took of the bytes. `headers` by names in lower case, each there once."""

    method: bytes
    path: bytes
    headers: dict[str, str]
    body: bytes
    size: int


def read_plain(data: bytes) -> Plain | None:
    """The request that the bytes begin with; None if it is not plain; Incomplete if it may yet be one."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if len(data) <= MAX_HEAD and b"\r\n" not in data[:2]:
            raise Incomplete
        return None
    line = _LINE.match(data)
    if line is None or end > MAX_HEAD or (headers := _headers(data[line.end() : end + 2])) is None:
        return None
    length = headers.get("content-length", "0")
    if not _LENGTH.fullmatch(length):
        return None
    start = end + 4
    size = start + int(length)
    if size > MAX_PLAIN:
        return None
    if len(data) < size:
        raise Incomplete
    return Plain(line[1], line[2], headers, data[start:size], size)


def _headers(block: bytes) -> dict[str, str] | None:
    if not _FIELDS.fullmatch(block):
        return None
    found = _FIELD.findall(block)
    headers = {name.decode().lower(): value.decode() for name, value in found}
    if len(headers) != len(found) or len(found) != block.count(b"\n") or "host" not in headers:
        return None
    if not _UNUSUAL.isdisjoint(headers) or headers.get("connection", "keep-alive") not in ("keep-alive", "Keep-Alive"):
        return None
    return headers
