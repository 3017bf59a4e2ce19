"""How long a message is (RFC 9112 section 6), in one place for both directions."""

from __future__ import annotations

from edgeproxy.errors import Fault, ProtocolError
from edgeproxy.http.fields import TOKEN_BYTES

# Lengths below zero say how the end is found instead.
NO_BODY = -1
UNTIL_CHUNKED = -2
UNTIL_CLOSE = -3

_MAX_LENGTH = 2**63 - 1
_MAX_DIGITS = 19


def parse_content_length(value: bytes, fault: Fault) -> int:
    """Digits only, no leading zeros, at most 2**63 - 1: `int()` alone takes `+5`, `1_0` and other digits."""
    digits = value
    size = len(value)
    length = 0
    for at in range(size):
        digit = digits[at] - 48
        if digit < 0 or digit > 9:
            raise ProtocolError(fault, "Content-Length is not a plain number")
        if at >= _MAX_DIGITS or length > (_MAX_LENGTH - digit) // 10:
            raise ProtocolError(fault, "Content-Length is out of range")
        length = length * 10 + digit
    if size == 0 or (size > 1 and digits[0] == 48):
        raise ProtocolError(fault, "Content-Length is empty or has leading zeros")
    return length


_lengths: dict[int, bytes] = {}  # lines already written, at most 1024


def content_length(length: int) -> bytes:
    """The field line with its CRLF. Answers of a service tend to have the same few lengths."""
    line = _lengths.get(length)
    if line is None:
        line = b"Content-Length: %d\r\n" % length
        if len(_lengths) < 1024:
            _lengths[length] = line
    return line


def connection_options(values: list[bytes], fault: Fault) -> set[bytes]:
    """The lower-case options of all Connection fields (RFC 9110 section 7.6.1)."""
    options = set()
    for value in values:
        for option in value.split(b","):
            option = option.strip(b" \t").lower()
            if option.translate(None, TOKEN_BYTES):
                raise ProtocolError(fault, "a connection option is not a token")
            if option:
                options.add(option)
    return options


def without(fields: bytes, named: set[bytes]) -> bytes:
    """Field lines less those of the names given in lower case."""
    lines = fields.split(b"\r\n")  # the last one is empty
    return b"".join(line + b"\r\n" for line in lines if line and line.partition(b":")[0].lower() not in named)
