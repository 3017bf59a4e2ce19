"""Signed exchanges and signed claims: forged, altered, foreign, none is taken."""

from dataclasses import replace
from random import Random

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from coordinator.federation import wire
from coordinator.federation.attest import genuine, life_of
from coordinator.federation.messages import Exchange
from coordinator.federation.record import Claim, Record
from coordinator.federation.view import View
from coordinator.identity.keys import CoordinatorKeys
from edgeproxy.cluster.messages import Life, Registration, ServiceReport
from edgeproxy.cluster.proof import encode
from edgeproxy.cluster.signer import Signer

EU, US = (CoordinatorKeys(Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)) for n in (1, 2))
WORKER = Ed25519PrivateKey.from_private_bytes(bytes([3]) * 32)
MESSAGE = Exchange(EU.name, US.name, 1, 1, 0, 0)


def test_there_and_back() -> None:
    body, headers = wire.dump(MESSAGE, EU.sign)
    assert wire.load(headers[wire.SIGNATURE], body) == MESSAGE


@pytest.mark.parametrize("header", [None, "", "v1", "v1;a;b", "v2;a;b", f"v1;{EU.name};{'A' * 86}"])
def test_without_a_signature_nothing_is_read(header: str | None) -> None:
    with pytest.raises(wire.Forged):
        wire.load(header, wire.dump(MESSAGE, EU.sign)[0])


def test_who_signs_for_another_is_forged() -> None:
    body, _ = wire.dump(MESSAGE, EU.sign)
    with pytest.raises(wire.Forged, match="another than the signer"):
        wire.load(wire.sealed(US.name, US.sign, body)[wire.SIGNATURE], body)


def test_i9_of_many_altered_exchanges_none_is_accepted() -> None:
    dice, (body, headers) = Random(1), wire.dump(MESSAGE, EU.sign)
    for _ in range(2_000):
        bad = bytearray(body)
        bad[dice.randrange(len(bad))] ^= dice.randrange(1, 256)
        with pytest.raises(wire.Forged):
            wire.load(headers[wire.SIGNATURE], bytes(bad))


def signed(at: CoordinatorKeys = EU, **changes: object) -> Record:
    """As a real agent registers, and its home tells it."""
    report = ServiceReport(name="llm-inference", service_url="http://w1.example:1", status="healthy")
    told = Registration(
        worker_id="w1",
        tunnel_url="http://w1.example",
        capabilities={},
        services=[report],
        life=Life(incarnation=5, home_epoch=1),
    )
    body = orjson.dumps(told.model_dump(mode="json"))
    header = Signer(WORKER).sign(at.challenge(b"n" * 32), body)
    life = life_of(at.name, header, body, told)
    assert life is not None
    facts = orjson.dumps({"worker_id": "w1", "tunnel_url": "http://w1.example", "services": None})
    record = Record(life.key, at.name, life.incarnation, life.home_epoch, 1, 1, facts, life.claim)
    return replace(record, **changes)  # type: ignore[arg-type]


def test_a_workers_own_claim_is_genuine() -> None:
    assert genuine(signed(), View())


@pytest.mark.parametrize(
    "changes",
    [
        {"home": US.name},
        {"key": EU.name},
        {"incarnation": 6},
        {"home_epoch": 2},
        {"claim": Claim()},
        {"claim": Claim("v1;x", b"{}")},
        {"facts": b"{}"},
        {"facts": b"nonsense"},
        {"facts": orjson.dumps({"worker_id": "w1", "capabilities": "x"})},
        {"facts": orjson.dumps({"worker_id": "w1", "vpn_ip": []})},
        {"facts": orjson.dumps({"worker_id": "w1", "tunnel_url": "http://evil.example"})},
        {"facts": orjson.dumps({"worker_id": "w1", "tunnel_url": "http://169.254.169.254/"})},
    ],
)
def test_a_home_cannot_alter_what_a_worker_signed(changes: dict[str, object]) -> None:
    assert not genuine(signed(**changes), View())


def test_a_claim_is_verified_once() -> None:
    view, record = View(), signed()
    view.put(record, 0.0)
    assert genuine(replace(record, seq=2), view)
    forged = replace(record, claim=record.claim._replace(body=record.claim.body.replace(b"w1", b"w2")))
    assert not genuine(forged, view)


def test_i9_of_many_altered_claims_none_is_genuine() -> None:
    dice, record = Random(2), signed()
    for _ in range(500):
        bad = bytearray(record.claim.body)
        bad[dice.randrange(len(bad))] ^= dice.randrange(1, 256)
        assert not genuine(replace(record, claim=record.claim._replace(body=bytes(bad))), View())


def test_vouching_is_for_ones_own_and_may_be_forbidden() -> None:
    facts = orjson.dumps({"worker_id": "w1", "tunnel_url": "http://w1.example"})
    record = Record(f"{EU.name}/w1", EU.name, 1, 0, 1, 1, facts)
    assert genuine(record, View())
    assert not genuine(record, View(), vouching=False)
    assert not genuine(replace(record, key=f"{US.name}/w1"), View())
    assert encode(b"x" * 32) not in record.key
