"""The worker's side of identity: its key, what it signs, and the session that a registration gives. No I/O but the
key file."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edgeproxy.cluster import proof
from edgeproxy.cluster.messages import Challenge, Life
from edgeproxy.cluster.proof import Proof, SignedBy, decode, encode

_EMPTY: Final = b""


class UntrustedCoordinator(Exception):
    """The coordinator is not the one that it should be, or does not hold the key that it names."""


@dataclass(slots=True)
class _Session:
    name: str
    key: bytes
    sequence: int = 0


class Signer:
    """`pinned` is the only coordinator to be trusted (its public key as /v1/coordinator tells it); None: whoever
    answers at the URL.

        header = signer.sign(challenge, body)      for the registration with exactly this body
        signer.accept(answer.session)              its answer
        header = signer.prove(proof.HEARTBEAT, body)
    """

    def __init__(self, key: Ed25519PrivateKey, pinned: str | None = None) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()
        self._pinned = None if pinned is None else decode(pinned, proof.KEY)
        self._offered: _Session | None = None
        self._session: _Session | None = None
        self._life = (int(datetime.now(UTC).timestamp()), 0)

    def next_life(self) -> Life:
        """For each registration another, later one."""
        self._life = (self._life[0], self._life[1] + 1)
        return Life(incarnation=self._life[0], home_epoch=self._life[1])

    def outlive(self, incarnation: int) -> None:
        """A coordinator knows a life of ours that is later than our clock says."""
        self._life = (max(self._life[0], incarnation + 1), 0)

    @property
    def has_session(self) -> bool:
        return self._session is not None

    def sign(self, challenge: Challenge, body: bytes) -> str:
        coordinator, nonce, exchange = self._trusted(challenge)
        own = X25519PrivateKey.generate()
        public = own.public_key().public_bytes_raw()
        try:
            name, key = proof.agree(own, exchange, coordinator, nonce, self.public)
        except ValueError as error:
            raise UntrustedCoordinator(f"its exchange key is useless: {error}") from None
        self._offered = _Session(encode(name), key)
        signature = self._key.sign(proof.registration_bytes(coordinator, nonce, public, body))
        return str(SignedBy(self.public, nonce, public, signature))

    def accept(self, session: str | None) -> None:
        """Of a registration's answer: None if the coordinator knows no signatures. Whoever names the session has
        the exchange key that the coordinator signed."""
        offered, self._offered, self._session = self._offered, None, None
        if session is None:
            if self._pinned is not None:
                raise UntrustedCoordinator("it knows no signatures, and COORDINATOR_KEY is set")
            return
        if offered is None or session != offered.name:
            raise UntrustedCoordinator("it names another session than the one agreed on")
        self._session = offered

    def prove(self, action: bytes, body: bytes = _EMPTY) -> str | None:
        """For one message; None without a session. Each is good once, in the order made."""
        session = self._session
        if session is None:
            return None
        session.sequence += 1
        return str(Proof(session.name, session.sequence, proof.mac(session.key, action, session.sequence, body)))

    def _trusted(self, challenge: Challenge) -> tuple[bytes, bytes, bytes]:
        try:
            coordinator = decode(challenge.coordinator, proof.KEY)
            nonce, exchange = decode(challenge.nonce, proof.NONCE), decode(challenge.exchange, proof.KEY)
            if self._pinned is not None and coordinator != self._pinned:
                raise UntrustedCoordinator("it has another key than COORDINATOR_KEY names")
            signature = decode(challenge.signature, proof.SIGNATURE)
            Ed25519PublicKey.from_public_bytes(coordinator).verify(signature, proof.exchange_bytes(exchange))
        except (ValueError, InvalidSignature):
            raise UntrustedCoordinator("its challenge is not signed by the key that it names") from None
        return coordinator, nonce, exchange


def load_key(path: Path) -> Ed25519PrivateKey:
    """The key of a file, which is made at the first start, readable by its owner only. OSError, or ValueError if the
    file holds something else."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return _new_key(path)
    try:
        return Ed25519PrivateKey.from_private_bytes(decode(text.decode("ascii").removesuffix("\n"), proof.KEY))
    except (ValueError, UnicodeDecodeError):
        raise ValueError(f"{path} is not a key that was made here: give another file, or remove it") from None


def _new_key(path: Path) -> Ed25519PrivateKey:
    """Whole or not at all, and of two that start at once both use the same."""
    key = Ed25519PrivateKey.generate()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(encode(key.private_bytes_raw()).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return load_key(path)
    finally:
        draft.unlink()
    return key
