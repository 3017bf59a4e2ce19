"""Merging is a maximum: idempotent, commutative, associative."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.federation.record import Claim, Record, fingerprint, merge

NUMBERS = st.integers(0, 3)
RECORDS = st.builds(
    Record,
    key=st.just("w"),
    home=st.sampled_from(["a", "b"]),
    incarnation=NUMBERS,
    home_epoch=NUMBERS,
    boot=NUMBERS,
    seq=NUMBERS,
    facts=st.sampled_from([b"{}", b'{"status":"healthy"}']),
    claim=st.sampled_from([Claim(), Claim("x", b"1"), Claim("y", b"2")]),
    gone=st.booleans(),
    up=st.booleans(),
)


@given(RECORDS)
def test_merge_is_idempotent(one: Record) -> None:
    assert merge(one, one) == one


@given(RECORDS, RECORDS)
def test_merge_is_commutative(one: Record, other: Record) -> None:
    assert merge(one, other) == merge(other, one)


@given(RECORDS, RECORDS, RECORDS)
def test_merge_is_associative(one: Record, two: Record, three: Record) -> None:
    assert merge(merge(one, two), three) == merge(one, merge(two, three))


@given(RECORDS, RECORDS)
def test_a_newer_life_wins_whatever_the_old_home_says(one: Record, other: Record) -> None:
    if one.life > other.life:
        assert merge(one, other) is one


@given(RECORDS, RECORDS)
def test_records_that_differ_have_other_fingerprints(one: Record, other: Record) -> None:
    same = replace(one, gone=False) == replace(other, gone=False)
    assert (fingerprint(one) == fingerprint(other)) == same


def test_two_workers_are_never_merged() -> None:
    with pytest.raises(ValueError, match="two workers"):
        merge(Record("a", "h", 1, 1, 1, 1), Record("b", "h", 1, 1, 1, 1))
