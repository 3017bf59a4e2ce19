"""How long a message is (RFC 9112 section 6), in one place for both directions."""

from __future__ import annotations

import re

from edgeproxy.errors import Fault, ProtocolError
from edgeproxy.http.fields import TOKEN_BYTES

# Lengths below zero say how the end is found instead.
NO_BODY = -1
UNTIL_CHUNKED = -2
UNTIL_CLOSE = -3

_LENGTH = re.compile(rb"0|[1-9][0-9]{0,18}")
_MAX_LENGTH = 2**63 - 1


def parse_content_length(value: bytes, fault: Fault) -> int:
    """Digits only, no leading zeros, at most 2**63 - 1: `int()` alone takes `+5`, `1_0` and other digits."""
    if _LENGTH.fullmatch(value) is None:
        raise ProtocolError(fault, "Content-Length is not a plain number")
    length = int(value)
    if length > _MAX_LENGTH:
        raise ProtocolError(fault, "Content-Length is out of range")
    return length


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
