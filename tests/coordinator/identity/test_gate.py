"""A worker's proofs, and everything that is not one: changed, replayed, foreign, of another time."""

import random
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from coordinator.identity.gate import Caller, Gate, Refused, fingerprint
from coordinator.identity.nonces import LIFETIME
from edgeproxy.cluster import proof
from edgeproxy.cluster.proof import Proof, SignedBy, encode
from edgeproxy.cluster.signer import Signer, UntrustedCoordinator

BODY = b'{"worker_id":"w"}'
FAR = Caller("203.0.113.9", False)
HERE = Caller("127.0.0.1", True)
NOW = 1000.0


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def signer() -> Signer:
    return Signer(Ed25519PrivateKey.generate())


def refused(call: Callable[[], object]) -> int:
    with pytest.raises(Refused) as caught:
        call()
    return caught.value.status


def join(gate: Gate, signer: Signer, worker_id: str = "w", now: float = NOW) -> bytes:
    header = signer.sign(gate.challenge(now), BODY)
    admission = gate.admit(header, BODY, FAR, now)
    signer.accept(gate.opened(worker_id, admission))
    return admission.credential


def test_a_worker_joins_and_is_heard(gate: Gate, signer: Signer) -> None:
    credential = join(gate, signer)
    assert fingerprint(credential) == encode(signer.public)
    for body in (b"{}", b"", b"x" * 1000):
        header = signer.prove(proof.HEARTBEAT, body)
        assert header is not None
        assert gate.heard(header, proof.HEARTBEAT, body) == "w"


def test_a_registration_is_good_once_here_and_for_a_minute(gate: Gate, signer: Signer) -> None:
    header = signer.sign(gate.challenge(NOW), BODY)
    assert refused(lambda: Gate().admit(header, BODY, FAR, NOW)) == 401  # another coordinator
    assert refused(lambda: gate.admit(header, BODY, FAR, NOW + LIFETIME + 0.01)) == 401
    gate.admit(header, BODY, FAR, NOW)
    assert refused(lambda: gate.admit(header, BODY, FAR, NOW)) == 401
    assert refused(lambda: gate.admit(header, BODY, FAR, NOW + LIFETIME / 2)) == 401
    other = signer.sign(gate.challenge(NOW), BODY)
    assert refused(lambda: gate.admit(other, BODY + b" ", FAR, NOW)) == 401


def test_a_nonce_that_one_coordinator_gave_cannot_be_used_for_another(signer: Signer) -> None:
    """The one in the middle passes on the challenge of another coordinator under its own name."""
    ours, theirs = Gate(), Gate()
    mixed = theirs.challenge(NOW).model_copy(update={"nonce": ours.challenge(NOW).nonce})
    assert refused(lambda: ours.admit(signer.sign(mixed, BODY), BODY, FAR, NOW)) == 401
    stolen = theirs.challenge(NOW).model_copy(update={"coordinator": ours.keys.name})
    with pytest.raises(UntrustedCoordinator):
        signer.sign(stolen, BODY)


def test_an_agent_that_pins_a_coordinator_takes_no_other(gate: Gate) -> None:
    key = Ed25519PrivateKey.generate()
    Signer(key, gate.keys.name).sign(gate.challenge(NOW), BODY)
    with pytest.raises(UntrustedCoordinator, match="COORDINATOR_KEY"):
        Signer(key, gate.keys.name).sign(Gate().challenge(NOW), BODY)
    with pytest.raises(UntrustedCoordinator, match="no signatures"):
        Signer(key, gate.keys.name).accept(None)


def test_who_does_not_hold_the_exchange_key_cannot_name_the_session(gate: Gate, signer: Signer) -> None:
    signer.sign(gate.challenge(NOW), BODY)
    with pytest.raises(UntrustedCoordinator, match="another session"):
        signer.accept(encode(bytes(16)))


def test_heartbeats_are_heard_once_and_in_order(gate: Gate, signer: Signer) -> None:
    join(gate, signer)
    first, second = (signer.prove(proof.HEARTBEAT, b"{}") or "" for _ in range(2))
    assert gate.heard(second, proof.HEARTBEAT, b"{}") == "w"
    assert refused(lambda: gate.heard(second, proof.HEARTBEAT, b"{}")) == 401
    assert refused(lambda: gate.heard(first, proof.HEARTBEAT, b"{}")) == 401  # late: its news are old
    third = signer.prove(proof.HEARTBEAT, b"{}") or ""
    assert refused(lambda: gate.heard(third, proof.HEARTBEAT, b"{ }")) == 401
    assert refused(lambda: gate.heard(third, proof.unregister_action("w"), b"{}")) == 401
    assert gate.heard(third, proof.HEARTBEAT, b"{}") == "w"  # forgeries did not use it up


def test_a_new_registration_ends_the_old_session(gate: Gate, signer: Signer) -> None:
    join(gate, signer)
    old = signer.prove(proof.HEARTBEAT, b"{}") or ""
    join(gate, signer)
    assert refused(lambda: gate.heard(old, proof.HEARTBEAT, b"{}")) == 404
    assert len(gate.sessions) == 1
    assert refused(lambda: Gate().heard(signer.prove(proof.HEARTBEAT) or "", proof.HEARTBEAT, b"")) == 404


def test_a_record_belongs_to_its_key(gate: Gate, signer: Signer) -> None:
    mine = join(gate, signer)
    thief = Signer(Ed25519PrivateKey.generate())
    admission = gate.admit(thief.sign(gate.challenge(NOW), BODY), BODY, FAR, NOW)
    assert refused(lambda: gate.check_owner(mine, admission)) == 403
    unsigned = gate.admit(None, BODY, HERE, NOW)
    assert refused(lambda: gate.check_owner(mine, unsigned)) == 403
    assert refused(lambda: gate.check_unsigned(mine, HERE)) == 401
    gate.check_owner(unsigned.credential, admission)  # an old program is replaced by one that signs
    gate.check_owner(None, admission)


def test_programs_that_do_not_sign_come_from_this_machine_unless_told_otherwise(gate: Gate) -> None:
    assert refused(lambda: gate.admit(None, BODY, FAR, NOW)) == 401
    record = gate.admit(None, BODY, HERE, NOW).credential
    assert fingerprint(record) is None
    gate.check_unsigned(record, HERE)
    assert refused(lambda: gate.check_unsigned(record, FAR)) == 403
    gate.unsigned = lambda caller: True
    far = gate.admit(None, BODY, FAR, NOW)
    assert refused(lambda: gate.check_owner(record, far)) == 403
    gate.check_unsigned(far.credential, FAR)


def test_a_revoked_key_is_out_at_once_and_for_good(gate: Gate, signer: Signer) -> None:
    credential = join(gate, signer)
    header = signer.prove(proof.HEARTBEAT, b"{}") or ""
    assert gate.revoke("w", credential)
    assert refused(lambda: gate.heard(header, proof.HEARTBEAT, b"{}")) == 404
    assert refused(lambda: join(gate, signer)) == 403
    assert not gate.revoke("old", gate.admit(None, BODY, HERE, NOW).credential)


def test_an_exchange_key_of_small_order_is_refused(gate: Gate, signer: Signer) -> None:
    nonce = proof.decode(gate.challenge(NOW).nonce, proof.NONCE)
    said = proof.registration_bytes(gate.keys.public, nonce, bytes(32), BODY)
    header = str(SignedBy(signer.public, nonce, bytes(32), signer._key.sign(said)))
    assert refused(lambda: gate.admit(header, BODY, FAR, NOW)) == 401


@given(st.text(max_size=300))
def test_no_text_is_a_proof(text: str) -> None:
    gate = Gate()
    assert refused(lambda: gate.admit(text, BODY, HERE, NOW)) == 401
    assert refused(lambda: gate.heard(text, proof.HEARTBEAT, b"")) in (401, 404)


@given(st.binary(min_size=16, max_size=16), st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_proofs_are_read_as_they_are_written(session: bytes, sequence: int, code: bytes) -> None:
    made = Proof(encode(session), sequence, encode(code))
    assert Proof.parse(str(made)) == made
    assert (proof.decode(made.session, 16), proof.decode(made.mac, 32)) == (session, code)


def test_every_bit_counts(gate: Gate, signer: Signer) -> None:
    """One bit of body, header or number changed: refused, each of them."""
    join(gate, signer)
    header = signer.prove(proof.HEARTBEAT, BODY) or ""
    chance = random.Random(1)
    for _ in range(2000):
        shown, body = bytearray(header.encode()), bytearray(BODY)
        target = chance.choice((shown, body))
        target[chance.randrange(len(target))] ^= 1 << chance.randrange(8)
        with pytest.raises(Refused):
            gate.heard(shown.decode("latin-1"), proof.HEARTBEAT, bytes(body))
    assert gate.heard(header, proof.HEARTBEAT, BODY) == "w"
