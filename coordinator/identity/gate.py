"""What a worker may do: join, be heard, change its record. Pure; the caller says what time it is.

A record belongs to who made it. Its `credential` (kept with the record, no secret) says who that is: the public key of
a worker that signs, or the address of an old program that does not. Nobody else changes the record: not with the
join secret, which they all have.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn, TypeVar

from coordinator.identity.keys import CoordinatorKeys, signed_by
from coordinator.identity.nonces import Nonces, NoncesExhausted
from coordinator.identity.revoked import Revoked
from coordinator.identity.sessions import Sessions
from edgeproxy.cluster import proof
from edgeproxy.cluster.messages import Challenge
from edgeproxy.cluster.proof import Proof, SignedBy, encode

_BY_KEY: Final = b"\x01"
_BY_ADDRESS: Final = b"\x00"
T = TypeVar("T")


class Refused(Exception):
    """With the HTTP status that says why: 401 no or no good proof, 403 not yours, 404 register again, 503 too many."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is at the other end: its address, whether a program of this machine itself asks, and whether it is the one
    who asks at all (not a proxy for somebody)."""

    address: str
    loopback: bool
    direct: bool = True


@dataclass(frozen=True, slots=True)
class Admission:
    """A registration that may go on. `credential` goes into the record; then `Gate.opened`."""

    credential: bytes
    session: tuple[bytes, bytes] | None = None


def by_loopback(caller: Caller) -> bool:
    return caller.loopback


@dataclass(slots=True)
class Gate:
    """`unsigned` says from where programs that do not sign are accepted."""

    keys: CoordinatorKeys = field(default_factory=CoordinatorKeys)
    revoked: Revoked = field(default_factory=Revoked)
    unsigned: Callable[[Caller], bool] = by_loopback
    nonces: Nonces = field(default_factory=Nonces)
    sessions: Sessions = field(default_factory=Sessions)

    def challenge(self, now: float) -> Challenge:
        return self.keys.challenge(self.nonces.issue(now))

    def admit(self, header: str | None, body: bytes, caller: Caller, now: float) -> Admission:
        """The right to register at all; whether this id may be taken is `check_owner`'s."""
        if header is None:
            self._check_unsigned(caller)
            return Admission(_BY_ADDRESS + caller.address.encode())
        signed = _parsed(SignedBy.parse, header, proof.SIGNATURE_HEADER)
        self._take(signed.nonce, now)
        said = proof.registration_bytes(self.keys.public, signed.nonce, signed.exchange, body)
        if not signed_by(signed.key, signed.signature, said):
            _refuse(401, "the signature is not that of this key over this body, nonce and coordinator")
        if signed.key in self.revoked:
            _refuse(403, "this worker's key was revoked: ask the operator")
        return Admission(_BY_KEY + signed.key, self._agree(signed))

    def check_owner(self, credential: bytes | None, admission: Admission) -> None:
        """Of the record that there is already, if any."""
        if credential is None or credential == admission.credential:
            return
        if credential[:1] == _BY_KEY:
            _refuse(403, "this worker_id belongs to another key: start with that key, or choose another WORKER_ID")
        if admission.session is None:
            _refuse(403, "this worker_id belongs to a worker at another address: choose another")

    def opened(self, worker_id: str, admission: Admission) -> str | None:
        """The registration is done: the session's name for the answer."""
        if admission.session is None:
            self.sessions.close(worker_id)
            return None
        name, key = encode(admission.session[0]), admission.session[1]
        self.sessions.open(name, worker_id, key)
        return name

    def heard(self, header: str, action: bytes, body: bytes) -> str:
        """Whose message this is: a worker_id."""
        shown = _parsed(Proof.parse, header, proof.PROOF_HEADER)
        session = self.sessions.find(shown.session)
        if session is None:
            _refuse(404, "this session is not known (any more): register again")
        if not session.accepts(shown, action, body):
            _refuse(401, "this message is forged, or was heard before")
        return session.worker_id

    def check_unsigned(self, credential: bytes | None, caller: Caller) -> None:
        """Of a message without a proof, about the worker with this credential (None: there is no such worker)."""
        if credential is None:
            return
        if credential[:1] == _BY_KEY:
            _refuse(401, f"this worker signs: a message without {proof.PROOF_HEADER} is not from it")
        if credential[1:] != caller.address.encode():
            _refuse(403, "this worker is at another address")
        self._check_unsigned(caller)

    def revoke(self, worker_id: str, credential: bytes | None) -> bool:
        """Its key is good no more; False if it has none. OSError if that cannot be kept."""
        self.sessions.close(worker_id)
        if credential is None or credential[:1] != _BY_KEY:
            return False
        self.revoked.add(credential[1:])
        return True

    def _check_unsigned(self, caller: Caller) -> None:
        if not self.unsigned(caller):
            _refuse(401, f"sign it ({proof.SIGNATURE_HEADER}), or have the operator set COORDINATOR_UNSIGNED")

    def _take(self, nonce: bytes, now: float) -> None:
        """Before the signature is looked at: each look costs the sender a question."""
        try:
            good = self.nonces.take(nonce, now)
        except NoncesExhausted:
            _refuse(503, "too many registrations, try again in a minute")
        if not good:
            _refuse(401, "this nonce is not ours, too old, or was used before: ask for another")

    def _agree(self, signed: SignedBy) -> tuple[bytes, bytes]:
        try:
            return proof.agree(self.keys.exchange, signed.exchange, self.keys.public, signed.nonce, signed.key)
        except ValueError:
            _refuse(401, "the exchange key is useless")


def fingerprint(credential: bytes | None) -> str | None:
    """The public key of a worker that signs; None for one that does not."""
    return encode(credential[1:]) if credential is not None and credential[:1] == _BY_KEY else None


def _parsed(parse: Callable[[str], T], header: str, name: str) -> T:
    try:
        return parse(header)
    except ValueError as error:
        _refuse(401, f"{name}: {error}")


def _refuse(status: int, detail: str) -> NoReturn:
    raise Refused(status, detail)
