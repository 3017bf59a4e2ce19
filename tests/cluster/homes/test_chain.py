"""The fallback chain: in order, broken ones last, the emergency store by budget."""

import random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgeproxy.cluster.homes.budget import GAP, MOST, Budget
from edgeproxy.cluster.homes.chain import READS_A_DAY, Chain
from edgeproxy.cluster.homes.directory import Directory
from edgeproxy.cluster.homes.trust import Bundle, Certificate, public_name, sign_bundle, sign_certificate
from tests.cluster.homes.test_trust import BUNDLE, NOW, PRIMARY, ROOT


def directory(*regions: str, version: int = 7, readers: int = 100) -> Directory:
    bundle = Bundle(version, NOW, NOW + 1, BUNDLE.primaries, ("http://seed",), readers=readers)
    made = Directory(bundle, sign_bundle(bundle, ROOT))
    for number, region in enumerate(("primary", *regions)):
        key = PRIMARY if region == "primary" else Ed25519PrivateKey.from_private_bytes(bytes([number + 10]) * 32)
        role = "primary" if region == "primary" else "regional"
        certificate = Certificate(public_name(key), f"http://{region}", region, role, "o", NOW, NOW + 1)
        made.add(sign_certificate(certificate, PRIMARY))
    return made


def test_the_nearest_then_the_other_regions_then_the_primary_then_the_seeds() -> None:
    chain = Chain("w", ("http://configured",), directory("eu", "us"), nearest=("http://us", "http://gone"))
    assert chain.urls(0.0) == ["http://us", "http://eu", "http://primary", "http://seed", "http://configured"]


def test_without_a_list_the_configured_are_asked() -> None:
    assert Chain("w", ("http://a", "http://b")).urls(0.0) == ["http://a", "http://b"]


def test_who_fails_again_and_again_is_asked_last_for_a_while() -> None:
    chain = Chain("w", ("http://a", "http://b"))
    for _ in range(3):
        chain.failed("http://a", 0.0)
    assert chain.urls(1.0) == ["http://b", "http://a"]
    assert chain.urls(31.0) == ["http://a", "http://b"]
    chain.failed("http://a", 31.0)
    chain.answered("http://a")
    assert chain.urls(32.0) == ["http://a", "http://b"]


def test_rounds_grow_apart_until_somebody_answers() -> None:
    chain = Chain("w", ("http://a",), dice=random.Random(1))
    waits = [chain.nobody(0.0) for _ in range(10)]
    assert waits[0] <= 0.5
    assert 15.0 <= waits[-1] <= 30.0
    chain.answered("http://a")
    assert chain.nobody(0.0) <= 0.5


def test_a_whole_fleet_reads_the_store_within_its_plan() -> None:
    readers, day, reads = 2_000, 86_400.0, 0
    known = directory("eu", readers=readers)
    for number in range(200):
        chain = Chain(f"w{number}", (), known, dice=random.Random(number))
        now = 0.0
        while now < day:
            reads += chain.may_read_store(now)
            now += 60.0
    assert 0 < reads * (readers / 200) <= READS_A_DAY + readers


def test_an_older_list_is_not_taken() -> None:
    chain = Chain("w", (), directory("eu", version=8))
    assert not chain.learned(directory("eu", "us", version=7))
    assert not chain.learned(directory("eu", version=8))
    assert chain.learned(directory("eu", "us", version=8))


def test_i4_the_store_is_written_96_times_a_day_at_most() -> None:
    budget, writes = Budget(""), []
    for second in range(0, 3 * 86_400, 5):
        if budget.may_write(f"list {second}", float(second)):
            budget.wrote(f"list {second}", float(second))
            writes.append(second)
    for start in writes:
        assert sum(start <= at <= start + 86_400 for at in writes) <= MOST
    assert GAP >= 900


def test_i4_in_steady_state_it_is_not_written_at_all() -> None:
    budget = Budget()
    assert not budget.may_write("list", 0.0)  # look first
    budget.found("list")
    assert not any(budget.may_write("list", float(second)) for second in range(0, 86_400, 60))
    assert budget.may_write("another", 86_400.0)
