"""The opening handshake of WebSocket (RFC 6455 section 1.3)."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_of(key: bytes) -> bytes:
    """What one who has understood a request with this key answers."""
    return b64encode(sha1(key + _GUID).digest())
