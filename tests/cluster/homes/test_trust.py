"""Forged, rolled back, expired, revoked: refused, each with its reason; 0 of a great many accepted."""

from dataclasses import replace

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.cluster.homes.directory import Directory
from edgeproxy.cluster.homes.trust import (
    Bundle,
    Certificate,
    Signed,
    Untrusted,
    open_bundle,
    open_certificate,
    public_name,
    sign,
    sign_bundle,
    sign_certificate,
)

NOW = 1_800_000_000.0
ROOT, PRIMARY, REGION, MALLORY = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in range(4))
ROOTS = frozenset({public_name(ROOT)})
BUNDLE = Bundle(7, NOW, NOW + 604_800, (public_name(PRIMARY),), ("http://primary:8080",))
CERTIFICATE = Certificate(public_name(REGION), "http://eu:8080", "eu", "regional", "alice", NOW, NOW + 86_400)


def test_the_chain_of_trust_holds() -> None:
    bundle = open_bundle(sign_bundle(BUNDLE, ROOT).dump(), ROOTS)
    assert bundle == BUNDLE
    assert open_certificate(sign_certificate(CERTIFICATE, PRIMARY), bundle, NOW) == CERTIFICATE


def refused(signed: Signed, bundle: Bundle = BUNDLE, now: float | None = NOW) -> str:
    with pytest.raises(Untrusted) as caught:
        open_certificate(signed, bundle, now)
    return caught.value.reason


def test_i14_a_rolled_back_bundle_is_refused() -> None:
    with pytest.raises(Untrusted) as caught:
        open_bundle(sign_bundle(BUNDLE, ROOT).dump(), ROOTS, at_least=8)
    assert caught.value.reason == "rolled_back"


def test_i14_a_frozen_bundle_is_flagged() -> None:
    assert not BUNDLE.stale(NOW + 604_800)
    assert BUNDLE.stale(NOW + 604_800 + 4_000)


def test_a_bundle_of_another_root_is_forged() -> None:
    with pytest.raises(Untrusted) as caught:
        open_bundle(sign_bundle(BUNDLE, MALLORY).dump(), ROOTS)
    assert caught.value.reason == "forged"


def test_while_roots_are_replaced_either_is_enough() -> None:
    both = sign_bundle(BUNDLE, ROOT, MALLORY).dump()
    assert open_bundle(both, ROOTS) == open_bundle(both, {public_name(MALLORY)}) == BUNDLE


def test_certificates_that_do_not_hold() -> None:
    assert refused(sign_certificate(CERTIFICATE, MALLORY)) == "forged"
    assert refused(sign_certificate(CERTIFICATE, PRIMARY), now=NOW + 200_000) == "expired"
    assert refused(sign_certificate(CERTIFICATE, PRIMARY), now=NOW - 7_200) == "expired"
    assert refused(sign_certificate(CERTIFICATE, PRIMARY), replace(BUNDLE, revoked=(CERTIFICATE.name,))) == "revoked"
    assert refused(sign_certificate(replace(CERTIFICATE, role="primary"), PRIMARY)) == "stranger"


def test_a_clock_that_is_an_hour_wrong_shuts_nobody_out() -> None:
    signed = sign_certificate(CERTIFICATE, PRIMARY)
    assert open_certificate(signed, BUNDLE, NOW - 3_600) == open_certificate(signed, BUNDLE, NOW + 90_000)


def test_a_bundle_is_no_certificate() -> None:
    assert refused(sign("bundle", CERTIFICATE, PRIMARY)) == "forged"


@given(st.data())
def test_a_changed_byte_is_never_accepted(data: st.DataObject) -> None:
    good = sign_bundle(BUNDLE, ROOT).dump()
    bad = bytearray(good)
    bad[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        accepted = open_bundle(bytes(bad), ROOTS)
    except Untrusted:
        return
    assert accepted == BUNDLE  # only what means the same: the name of a key that nobody asked for


def test_a_directory_travels_and_wrong_certificates_cost_themselves() -> None:
    good = Directory(BUNDLE, sign_bundle(BUNDLE, ROOT))
    good.add(sign_certificate(CERTIFICATE, PRIMARY))
    row = orjson.loads(good.dump())
    row["certificates"].append(orjson.loads(sign_certificate(replace(CERTIFICATE, region="xx"), MALLORY).dump()))
    row["certificates"].append("nonsense")
    read = Directory.open(orjson.dumps(row), ROOTS)
    assert list(read.certificates.values()) == [CERTIFICATE]
    assert read.essence == good.essence


def test_renewal_is_no_news_and_a_new_url_is() -> None:
    directory = Directory(BUNDLE, sign_bundle(BUNDLE, ROOT))
    directory.add(sign_certificate(CERTIFICATE, PRIMARY))
    before = directory.essence
    directory.add(sign_certificate(replace(CERTIFICATE, not_after=NOW + 100_000), PRIMARY))
    assert directory.essence == before
    directory.add(sign_certificate(replace(CERTIFICATE, not_after=NOW + 100_001, url="http://eu2:8080"), PRIMARY))
    assert directory.essence != before
    directory.add(sign_certificate(CERTIFICATE, PRIMARY))
    assert directory.certificates[CERTIFICATE.name].url == "http://eu2:8080"


def test_whom_a_newer_bundle_revokes_is_left_out() -> None:
    directory = Directory(BUNDLE, sign_bundle(BUNDLE, ROOT))
    directory.add(sign_certificate(CERTIFICATE, PRIMARY))
    newer = replace(BUNDLE, version=8, revoked=(CERTIFICATE.name,))
    assert not directory.replaced(sign_bundle(newer, ROOT), newer).certificates


@given(st.binary(max_size=60))
def test_noise_is_untrusted(noise: bytes) -> None:
    for reads in (lambda: open_bundle(noise, ROOTS), lambda: Directory.open(noise, ROOTS)):
        with pytest.raises(Untrusted):
            reads()
