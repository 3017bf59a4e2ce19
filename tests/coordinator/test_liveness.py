"""The pure parts of liveness, each by itself; how they work together is told in transcripts/."""

from typing import Any

import pytest

from coordinator import caution, liveness
from coordinator.caution import Caution, Death
from coordinator.pace import Pace
from coordinator.record import Suspicion
from coordinator.stalls import Stalls
from coordinator.wheel import Slot, Wheel


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("starting", "healthy"),
        ("healthy", "healthy"),
        ("degraded", "degraded"),
        ("suspect", "degraded"),
        ("draining", "degraded"),
        ("offline", "offline"),
    ],
)
def test_dashboards_know_three_words(status: Any, word: str) -> None:
    assert liveness.word(status) == word


class Sleeper:
    alarm: Slot | None = None


def test_alarms_ring_in_order_once_and_the_earlier_one_counts() -> None:
    wheel, a, b, c = Wheel(), Sleeper(), Sleeper(), Sleeper()
    wheel.set(a, 10.0)
    wheel.set(b, 5.0)
    wheel.set(a, 3.0)
    wheel.set(a, 20.0)  # it rings at 3: its owner sets the next
    wheel.set(c, 4.0)
    c.alarm = None  # it is gone
    assert list(wheel.ring(2.9)) == []
    assert list(wheel.ring(7.0)) == [a, b]
    assert list(wheel.ring(100.0)) == []
    assert len(wheel) == 0


def test_an_alarm_that_is_set_while_others_ring_is_not_lost() -> None:
    wheel, a, b = Wheel(), Sleeper(), Sleeper()
    wheel.set(a, 5.0)
    for _ in wheel.ring(50.0):
        wheel.set(b, 1.0)  # long past: at the next tick
    assert list(wheel.ring(50.1)) == [b]


def test_a_wheel_takes_a_leap_and_small_steps_alike() -> None:
    for times in ([1e6], [x / 10 for x in range(10_000_000, 10_000_100)]):
        wheel, a = Wheel(), Sleeper()
        wheel.set(a, 1000.0)
        assert [s for at in times for s in wheel.ring(at)] == [a]


def test_time_that_is_excused_does_not_count() -> None:
    stalls = Stalls()
    stalls.excuse(10, 20)
    stalls.excuse(30, 32)
    assert stalls.elapsed(0, 5) == 5
    assert stalls.elapsed(0, 15) == 10
    assert stalls.elapsed(15, 31) == 10
    assert stalls.elapsed(0, 40) == 28
    assert stalls.elapsed(35, 40) == 5


def test_overlapping_stalls_count_once_and_are_bounded() -> None:
    stalls = Stalls()
    stalls.excuse(0, 10)
    stalls.excuse(5, 15)
    stalls.excuse(20, 20)
    assert stalls.elapsed(0, 20) == 5
    for start in range(100, 10_000, 10):
        stalls.excuse(start, start + 1)
    assert stalls.elapsed(9_900, 10_000) == 90


def test_the_interval_grows_with_the_workers_and_has_an_end() -> None:
    pace = Pace(5.0)
    assert [pace.interval(n) for n in (0, 10_000, 10_001, 30_000, 100_000)] == [5.0, 5.0, 5.5, 15.0, 30.0]


def test_a_busy_coordinator_hears_less_often() -> None:
    pace = Pace(5.0)
    for _ in range(100):
        pace.measured(0.9)
    assert pace.interval(10_000) > 10
    for _ in range(100):
        pace.measured(0.1)
    assert pace.interval(10_000) == 5.0


def test_an_operators_long_interval_is_kept() -> None:
    assert Pace(60.0).interval(1_000_000) == 60.0


def many_missing(state: Caution, at: float = 0.0, live: int = 50, window: float = 15.0) -> bool:
    state.suspects = 12
    return state.begins(at, live, window)


def test_caution_begins_when_a_share_of_the_fleet_is_missing() -> None:
    assert many_missing(Caution(), live=80)
    assert not many_missing(Caution(), live=100)
    few = Caution(suspects=2)
    assert not few.begins(0, 3, 15)  # two of three: bad luck
    few.suspects = 3
    assert few.begins(0, 3, 15)  # everybody: us
    assert not Caution(suspects=2).begins(0, 2, 15)


def test_recent_deaths_count_as_missing_and_are_taken_back() -> None:
    state = Caution(suspects=4)
    for at in (0.0, 1.0, *[20.0] * 6):
        state.died(Death(at, f"w{at}", 1))
    assert state.begins(21.0, 40, 15.0)
    assert len(state.take_back()) == 6
    assert state.take_back() == []


def test_caution_ends_when_most_are_back() -> None:
    state = Caution()
    assert many_missing(state)
    assert state.ends(1.0, 50) is None
    state.suspects = 2
    assert state.ends(2.0, 50) == "most are back"
    assert many_missing(state, at=3.0)  # and may begin again


def test_caution_always_ends_and_then_rests() -> None:
    state, on = Caution(), 0.0
    for tenths in range(36_000):  # an hour in which a share is missing all the time
        now = tenths / 10
        many_missing(state, at=now)
        on += 0.1 if state.on else 0
        state.ends(now, 50)
    assert on <= 3600 * (caution.LIMIT + 0.2) / (caution.LIMIT + caution.REST) + caution.LIMIT


@pytest.mark.parametrize(
    ("direct", "peer", "reached", "expected"),
    [
        ("refused", "absent", True, "strong"),
        ("refused", "absent", False, None),  # what is refused was never it
        ("silent", "absent", True, "weak"),
        ("silent", "refused", True, "strong"),
        ("silent", "silent", True, "weak"),
        ("silent", "alive", True, None),
        ("alive", "silent", True, None),
        ("silent", None, True, None),  # a peer is still asking
        ("refused", None, True, None),
        ("unknown", "absent", True, None),  # we could not ask: nobody's fault but ours
        ("unknown", "silent", True, None),
        (None, None, True, None),
    ],
)
def test_what_probes_prove(direct: Any, peer: Any, reached: bool, expected: str | None) -> None:
    doubt = Suspicion(since=0, asked=0, direct=direct, peer=peer)
    assert doubt.evidence(1.0, reached) == expected


def test_a_peer_that_says_nothing_is_not_waited_for_for_ever() -> None:
    doubt = Suspicion(since=0, asked=0, direct="refused")
    assert doubt.evidence(liveness.VERDICT_WITHIN, reached=True) == "strong"
