"""How a worker proves that it is itself: the bytes that are signed, and how proofs look in a header. Pure.

A worker has an Ed25519 key (RFC 8032). To register it asks for a challenge, and signs its body with the nonce and
with the name of this coordinator (its own public key), so that the signature is good here, now, and once. In the same
step both sides agree on a secret (X25519, RFC 7748; HKDF, RFC 5869), which never crosses the wire; heartbeats carry
a MAC by it (HMAC-SHA-256) and a number that rises.

    Worker-Signature: v1;<public key>;<nonce>;<exchange key>;<signature>       on a registration
    Worker-Proof: v1;<session>;<sequence>;<mac>                                on what follows

Values are base64url without padding. Every parser raises ValueError, for any input.
"""

import base64
import binascii
import hmac
import re
from dataclasses import dataclass
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SIGNATURE_HEADER: Final = "Worker-Signature"
PROOF_HEADER: Final = "Worker-Proof"
HEARTBEAT: Final = b"heartbeat"

KEY, NONCE, SIGNATURE, SESSION, MAC = 32, 32, 64, 16, 32  # bytes of each
MAX_SEQUENCE: Final = 2**63 - 1
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_BASE64 = re.compile(r"[A-Za-z0-9_-]+")
_PROOF = re.compile(r"v1;([A-Za-z0-9_-]{22});([1-9][0-9]{0,18});([A-Za-z0-9_-]{43})")


def encode(value: bytes) -> str:
    return binascii.b2a_base64(value, newline=False).translate(_URL_SAFE, b"=").decode()


def decode(text: str, size: int) -> bytes:
    """Exactly `size` bytes, written in the one way that `encode` writes them."""
    if not _BASE64.fullmatch(text):
        raise ValueError("not base64url")
    try:
        value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise ValueError("not base64url") from None
    if len(value) != size or encode(value) != text:
        raise ValueError(f"not {size} bytes")
    return value


def exchange_bytes(exchange: bytes) -> bytes:
    """What the coordinator signs of a challenge. Once a start, not once a question: that it is there now is proven by
    the session, which only the holder of the exchange key can name."""
    return b"edgeproxy exchange v1\n" + exchange


def registration_bytes(coordinator: bytes, nonce: bytes, exchange: bytes, body: bytes) -> bytes:
    """What the worker signs of a registration; all parts but the last have a fixed length."""
    return b"edgeproxy registration v1\n" + coordinator + nonce + exchange + body


def agree(own: X25519PrivateKey, theirs: bytes, coordinator: bytes, nonce: bytes, worker: bytes) -> tuple[bytes, bytes]:
    """(session id, MAC key): the same on both sides. ValueError for an exchange key that gives no secret."""
    shared = own.exchange(X25519PublicKey.from_public_bytes(theirs))
    info = b"edgeproxy session v1\n" + coordinator + worker
    made = HKDF(algorithm=SHA256(), length=SESSION + MAC, salt=nonce, info=info).derive(shared)
    return made[:SESSION], made[SESSION:]


def mac(key: bytes, action: bytes, sequence: int, body: bytes) -> str:
    return encode(hmac.digest(key, b"%b\n%d\n%b" % (action, sequence, body), "sha256"))


def unregister_action(worker_id: str) -> bytes:
    return b"unregister " + worker_id.encode()


@dataclass(frozen=True, slots=True)
class SignedBy:
    """A parsed Worker-Signature."""

    key: bytes
    nonce: bytes
    exchange: bytes
    signature: bytes

    @classmethod
    def parse(cls, header: str) -> Self:
        parts = _parts(header, 5)
        return cls(decode(parts[0], KEY), decode(parts[1], NONCE), decode(parts[2], KEY), decode(parts[3], SIGNATURE))

    def __str__(self) -> str:
        return ";".join(("v1", *map(encode, (self.key, self.nonce, self.exchange, self.signature))))


@dataclass(slots=True)
class Proof:
    """A parsed Worker-Proof. Session and MAC stay text: they are only compared, with what `encode` writes."""

    session: str
    sequence: int
    mac: str

    @classmethod
    def parse(cls, header: str) -> Self:
        parts = _PROOF.fullmatch(header)
        if parts is None or (sequence := int(parts[2])) > MAX_SEQUENCE:
            raise ValueError("not of the form v1;session;sequence;mac")
        return cls(parts[1], sequence, parts[3])

    def __str__(self) -> str:
        return f"v1;{self.session};{self.sequence};{self.mac}"


def _parts(header: str, count: int) -> list[str]:
    parts = header.split(";")
    if len(parts) != count or parts[0] != "v1":
        raise ValueError("not of the form v1;...")
    return parts[1:]
