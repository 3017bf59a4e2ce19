"""The limit table: exact for one key, bounded for a million, whole when processes race or die."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from edgeproxy.policy.address import Source
from edgeproxy.policy.bans import FIRST_BAN, Bans
from edgeproxy.policy.limit import NANO, LimitTable, table_bytes
from edgeproxy.policy.notation import parse_limits
from edgeproxy.policy.words import Words
from tests.policy.memory import shared_words

PLACES = 64
START = 10**12


@pytest.fixture
def words() -> Iterator[Words]:
    with shared_words(4096 + table_bytes(PLACES)) as words:
        yield words


@pytest.fixture
def table(words: Words) -> LimitTable:
    return LimitTable(words, 512, PLACES)


def test_a_burst_then_the_rate(table: LimitTable) -> None:
    [limit] = parse_limits("10/second;burst=3", "a")
    assert [table.take(7, limit, START) for _ in range(4)] == [0, 0, 0, NANO // 10]
    assert table.take(7, limit, START + NANO // 10) == 0
    assert table.take(7, limit, START + NANO // 10) > 0


def test_over_a_long_time_the_rate_is_exact(table: LimitTable) -> None:
    [limit] = parse_limits("1000/second;burst=5", "a")
    admitted = sum(table.take(7, limit, START + at * 100_000) == 0 for at in range(100_000))  # ten seconds
    assert admitted == 10_000 + 4


def test_keys_and_limits_are_counted_apart(table: LimitTable) -> None:
    [one], [other] = parse_limits("1/hour", "one"), parse_limits("1/hour", "other")
    assert table.take(7, one, START) == 0
    assert table.take(8, one, START) == 0
    assert table.take(7, other, START) == 0
    assert table.take(7, one, START) > 0


def test_whoever_uses_most_is_forgotten_last(table: LimitTable) -> None:
    [limit] = parse_limits("100/minute", "a")
    for _ in range(101):
        refused = table.take(7, limit, START)
    assert refused > 0
    for key in range(1000, 11_000):  # far more than there are places
        assert table.take(key, limit, START) == 0
    assert table.take(7, limit, START) > 0


@pytest.mark.parametrize("places", [0, 4, 12, 100])
def test_a_table_has_a_power_of_two_of_places(words: Words, places: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        LimitTable(words, 0, places)


_RACER = """
import sys
from edgeproxy.policy.limit import Limit, LimitTable, table_bytes
from edgeproxy.policy.words import Words
from tests.policy.memory import shared_words
fd, size = int(sys.argv[1]), 4096 + table_bytes(64)
table = LimitTable(Words(fd, size), 512, 64)
limit = Limit("race", 1000, 3600.0, 1000, 99)
sys.stdin.read()
print(sum(table.take(5, limit, 10**12) == 0 for _ in range(900)))
"""


@pytest.mark.parametrize("pure", ["", "1"])
def test_processes_that_race_admit_exactly_the_limit(pure: str) -> None:
    size = 4096 + table_bytes(PLACES)
    fd = os.memfd_create("race")
    os.ftruncate(fd, size)
    command = [sys.executable, "-c", _RACER, str(fd)]
    pipe = subprocess.PIPE
    environment = {**os.environ, "EDGEPROXY_PURE": pure}
    racers = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, pass_fds=[fd], env=environment, text=True) for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.close()
    admitted = 0
    for racer in racers:
        assert racer.stdout is not None
        admitted += int(racer.stdout.read())
        racer.stdout.close()
        assert racer.wait(20) == 0
    os.close(fd)
    assert admitted == 1000


def test_bans_grow_and_end(table: LimitTable, words: Words) -> None:
    [meter] = parse_limits("1/minute;burst=2", "ban")
    bans = Bans(table, words, 8, meter)
    source = Source("192.0.2.1", 77)
    assert [bans.violated(source, START) for _ in range(3)] == [False, False, True]
    assert bans.hold(source, START + 1)
    assert not bans.hold(Source("192.0.2.2", 78), START + 1)
    over = START + FIRST_BAN * NANO
    assert not bans.hold(source, over)
    assert [bans.violated(source, over) for _ in range(2)] == [False, True]
    assert bans.hold(source, over + FIRST_BAN * NANO + 1), "the second is longer"
    assert not bans.hold(source, over + 2 * FIRST_BAN * NANO)


def test_a_ban_whose_end_was_forgotten_is_doubled_once(table: LimitTable, words: Words) -> None:
    """The table forgets what is over first, and what is left does not say how long the ban was."""
    [meter] = parse_limits("1/minute;burst=2", "ban")
    bans = Bans(table, words, 8, meter)
    source = Source("192.0.2.1", 77)
    assert [bans.violated(source, START) for _ in range(3)] == [False, False, True]
    over = START + FIRST_BAN * NANO
    [place] = [at for at in range(512, 512 + 2 * PLACES, 2) if words.load(at + 1) == over]
    assert words.swap(place, words.load(place), 0)
    assert words.swap(place + 1, over, 0)
    assert [bans.violated(source, over) for _ in range(2)] == [False, True]
    assert bans.hold(source, over + 2 * FIRST_BAN * NANO - 1)
    assert not bans.hold(source, over + 2 * FIRST_BAN * NANO)


def test_the_exempt_are_never_banned(table: LimitTable, words: Words) -> None:
    [meter] = parse_limits("1/minute", "ban")
    bans = Bans(table, words, 8, meter)
    friend = Source("127.0.0.1", 77, exempt=True)
    assert not any(bans.violated(friend, START) for _ in range(9))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("off", []),
        ("100/second", [(100, 1.0, 100)]),
        ("100/second;burst=200", [(100, 1.0, 200)]),
        ("10/minute; burst=2; 500/hour", [(10, 60.0, 2), (500, 3600.0, 500)]),
        ("5 per 10 seconds", [(5, 10.0, 5)]),
    ],
)
def test_notation(text: str, read: list[tuple[int, float, int]]) -> None:
    assert [(each.amount, each.period, each.burst) for each in parse_limits(text, "a")] == read


@pytest.mark.parametrize(
    "text", ["", "fast", "0/second", "burst=3", "1/second;burst=0", "1/second;burst=1;burst=2", "-1/second"]
)
def test_what_is_no_limit(text: str) -> None:
    with pytest.raises(ValueError, match=r"burst|rate|number"):
        parse_limits(text, "a")
