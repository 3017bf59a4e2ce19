"""Changes that keep an input close to HTTP: by bytes, by lines, by words that parsers look for, by crossing two."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tests.fuzz.corpus import MAX_BYTES

WORDS = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\x00", b"\x0b", b"\x0c", b"\x7f", b"\x80", b"\xff", b" ", b"\t", b":", b";",
    b",", b'"', b"\\", b"=", b"_", b".", b"#", b"%", b"Host: a", b"Content-Length: 5", b"Content-Length: 0",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Connection: close",
    b"Connection: keep-alive", b"Connection: upgrade", b"Connection: content-length", b"Upgrade: websocket",
    b"Upgrade: h2c", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    b"Expect: 100-continue", b"Content-Type: a", b"Authorization: b", b"X-Forwarded-For: 1.2.3.4", b"Via: 1.1 a",
    b"Content_Length: 5", b"Transfer.Encoding: chunked", b"Keep-Alive: timeout=5", b"Trailer: a", b"TE: trailers",
    b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"GET ", b"POST ", b"HEAD ", b"OPTIONS * ", b"http://a/", b"//", b"/../",
    b"0\r\n\r\n", b"5\r\nhello\r\n", b"ffffffffffffffff", b"10000000000000000", b"7fffffffffffffff",
    b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"+5", b"0x5", b"5_0", b"\xc2\xa05",
)  # fmt: skip


def mutated(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """The kind stays; one to four changes, mostly one."""
    kind, content = data[:1], data[1:]
    for _ in range(min(4, 1 + int(chance.expovariate(1.5)))):
        content = chance.choice(CHANGES)(content, chance, others)
    return kind + content[: MAX_BYTES - 1]


def _flip(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    at = chance.randrange(len(data) or 1)
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


def _cut(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    at = chance.randrange(len(data) or 1)
    return data[:at] + data[at + 1 + int(chance.expovariate(0.3)) :]


def _word(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    at = chance.randint(0, len(data))
    return data[:at] + chance.choice(WORDS) + data[at + chance.choice((0, 0, 1)) :]


def _case(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    at = chance.randrange(len(data) or 1)
    return data[:at] + data[at : at + 8].swapcase() + data[at + 8 :]


def _line(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """A line goes, comes twice, moves, or comes from elsewhere."""
    lines = data.split(b"\r\n")
    at, to = chance.randrange(len(lines)), chance.randint(0, len(lines))
    match chance.randrange(4):
        case 0:
            del lines[at]
        case 1:
            lines.insert(to, lines[at])
        case 2:
            lines.insert(to, lines.pop(at))
        case _:
            source = chance.choice(others)[1:].split(b"\r\n") if chance.random() < 0.5 else WORDS
            lines.insert(to, chance.choice(source))
    return b"\r\n".join(lines)


def _repeat(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    """Bounds are found by growing."""
    at = chance.randrange(len(data) or 1)
    piece = data[at : at + chance.randint(1, 40)]
    return data[:at] + piece * chance.choice((2, 3, 20, 120)) + data[at:]


def _cross(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    other = chance.choice(others)[1:]
    return data[: chance.randint(0, len(data))] + other[chance.randint(0, len(other)) :]


CHANGES: tuple[Callable[[bytes, random.Random, Sequence[bytes]], bytes], ...] = (
    _flip, _cut, _word, _word, _case, _line, _line, _repeat, _cross,
)  # fmt: skip
