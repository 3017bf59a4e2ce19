"""The coordinator's own keys: Ed25519, which is its name, and X25519, by which sessions are agreed."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edgeproxy.cluster import proof
from edgeproxy.cluster.messages import Challenge
from edgeproxy.cluster.proof import encode


class CoordinatorKeys:
    """`name` is the public key: what a signature is bound to, and what an agent may pin. The exchange key is new
    with every start, so that what was agreed on dies with us."""

    def __init__(self, key: Ed25519PrivateKey | None = None) -> None:
        self._key = key or Ed25519PrivateKey.generate()
        self.exchange = X25519PrivateKey.generate()
        self.public: bytes = self._key.public_key().public_bytes_raw()
        self.name = encode(self.public)
        public = self.exchange.public_key().public_bytes_raw()
        self._exchange = encode(public)
        self._signature = encode(self._key.sign(proof.exchange_bytes(public)))

    def challenge(self, nonce: bytes) -> Challenge:
        return Challenge(coordinator=self.name, nonce=encode(nonce), exchange=self._exchange, signature=self._signature)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def signed_by(public: bytes, signature: bytes, message: bytes) -> bool:
    """InvalidSignature and keys that are none are both just "no"."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
