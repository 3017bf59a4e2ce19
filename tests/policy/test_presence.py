"""Connections by source over the processes of a machine: summed, bounded, and gone with who held them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.policy.presence import Presence, parts_of, presence_bytes
from edgeproxy.policy.words import WORD, Words
from tests.policy.memory import shared_words

PROCESSES = 2
FIRST = 4096 // WORD
SAME_BUCKET = 2**20
"""Between two keys of one bucket: more buckets than there are."""


@pytest.fixture
def words() -> Iterator[Words]:
    with shared_words(4096 + presence_bytes(PROCESSES)) as words:
        yield words


def of(words: Words, pid: int) -> Presence:
    presence = Presence(words, FIRST, parts_of(PROCESSES))
    assert presence.join(pid)
    return presence


def test_a_process_sees_what_the_others_hold_and_not_its_own(words: Words) -> None:
    one, other, third = of(words, 11), of(words, 12), of(words, 13)
    one.hold(7, 3)
    other.hold(7, 2)
    other.hold(8, 1)
    assert (one.elsewhere(7), other.elsewhere(7), third.elsewhere(7)) == (2, 3, 5)
    assert (one.elsewhere(8), other.elsewhere(8)) == (1, 0)
    other.hold(7, 0)
    assert one.elsewhere(7) == 0


def test_what_a_dead_process_held_is_gone_and_its_part_is_free(words: Words) -> None:
    one, other = of(words, 11), of(words, 12)
    other.hold(7, 5)
    one.ended(12)
    assert one.elsewhere(7) == 0
    heir = of(words, 14)
    assert one.elsewhere(7) == 0  # the part was wiped before it counted
    heir.hold(7, 1)
    assert one.elsewhere(7) == 1


def test_the_end_of_a_process_without_a_part_harms_nobody(words: Words) -> None:
    one, other = of(words, 11), of(words, 12)
    other.hold(7, 5)
    one.ended(99)
    assert one.elsewhere(7) == 5


def test_one_process_more_than_there_are_parts_only_looks(words: Words) -> None:
    parts = [of(words, pid) for pid in range(1, parts_of(PROCESSES) + 1)]
    late = Presence(words, FIRST, parts_of(PROCESSES))
    assert not late.join(99)
    late.hold(7, 4)
    parts[0].hold(7, 2)
    assert late.elsewhere(7) == 2
    assert parts[1].elsewhere(7) == 2


def test_a_source_beyond_its_bucket_displaces_nobody(words: Words) -> None:
    one, other = of(words, 11), of(words, 12)
    keys = [5 + SAME_BUCKET * number for number in range(9)]
    for key in keys:
        one.hold(key, 1)
    assert [other.elsewhere(key) for key in keys] == [1] * 8 + [0]
    one.hold(keys[0], 0)  # room for the one that had none
    one.hold(keys[8], 2)
    assert [other.elsewhere(key) for key in keys] == [0] + [1] * 7 + [2]


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 6), st.integers(0, 3)), max_size=60))
def test_the_sum_is_what_was_said_last(said: list[tuple[int, int, int]]) -> None:
    with shared_words(4096 + presence_bytes(1)) as words:
        both = [Presence(words, FIRST, 2), Presence(words, FIRST, 2)]
        for pid, each in enumerate(both, 1):
            assert each.join(pid)
        held: dict[tuple[int, int], int] = {}
        for who, key, count in said:
            both[who].hold(key, count)
            held[who, key] = count
        for key in range(1, 7):
            assert both[0].elsewhere(key) == held.get((1, key), 0)
            assert both[1].elsewhere(key) == held.get((0, key), 0)
