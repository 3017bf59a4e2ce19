"""A worker list that a coordinator signed, and its verification. Pure."""

from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edgeproxy.cluster.messages import Message
from edgeproxy.cluster.proof import KEY, SIGNATURE, decode

EXPORT: Final = b"edgeproxy export v1\n"  # signed before the text, so that it cannot stand for another message


class Export(Message):
    """`signed` is JSON as text: {coordinator, at, mark, settled, services, workers}. `coordinator` is the public key
    that signed."""

    coordinator: str
    signature: str
    signed: str

    def verified(self, trusted: str | None = None) -> dict[str, Any]:
        """What was signed; ValueError if it is not by its coordinator, or that is not the one trusted."""
        if trusted is not None and self.coordinator != trusted:
            raise ValueError(f"it is signed by {self.coordinator}, not by the one that you trust")
        text = self.signed.encode()
        try:
            key = Ed25519PublicKey.from_public_bytes(decode(self.coordinator, KEY))
            key.verify(decode(self.signature, SIGNATURE), EXPORT + text)
        except InvalidSignature:
            raise ValueError("it was changed since it was signed") from None
        content: dict[str, Any] = orjson.loads(text)
        return content
