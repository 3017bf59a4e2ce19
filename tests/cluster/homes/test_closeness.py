"""Nearness with hysteresis: no flapping, no moving for noise, and no staying far away for ever."""

from edgeproxy.cluster.homes.closeness import DWELL, Closeness


def rounds(closeness: Closeness, trips: dict[str, float], count: int, start: float) -> str | None:
    choice = None
    for number in range(count):
        now = start + 300.0 * number
        for name, seconds in trips.items():
            closeness.measured(name, seconds, now)
        choice = closeness.better(now)
        if choice:
            return choice
    return choice


def at(home: str) -> Closeness:
    closeness = Closeness()
    closeness.moved(home, 0.0)
    return closeness


def test_without_a_home_the_nearest_is_taken() -> None:
    assert rounds(Closeness(), {"eu": 0.03, "us": 0.1}, 1, 0.0) == "eu"


def test_a_clear_gain_must_last_for_three_rounds() -> None:
    closeness = at("us")
    assert rounds(closeness, {"eu": 0.03, "us": 0.1}, 2, DWELL) is None
    assert rounds(closeness, {"eu": 0.03, "us": 0.1}, 1, DWELL + 600) == "eu"


def test_what_is_hardly_nearer_is_not_worth_it() -> None:
    assert rounds(at("us"), {"eu": 0.005, "us": 0.014}, 9, DWELL) is None  # 9 ms
    assert rounds(at("us"), {"eu": 0.080, "us": 0.100}, 9, DWELL) is None  # a fifth


def test_a_turn_of_luck_starts_the_count_anew() -> None:
    closeness = at("us")
    assert rounds(closeness, {"eu": 0.03, "us": 0.1}, 2, DWELL) is None
    assert rounds(closeness, {"eu": 0.2, "us": 0.1}, 1, DWELL + 900) is None
    assert rounds(closeness, {"eu": 0.03, "us": 0.1}, 2, DWELL + 1200) is None


def test_nobody_moves_twice_within_ten_minutes() -> None:
    closeness = Closeness()
    closeness.moved("us", 1_000.0)
    for now in (1_010.0, 1_020.0, 1_030.0, 1_040.0):
        closeness.measured("us", 0.1, now)
        closeness.measured("eu", 0.01, now)
        assert closeness.better(now) is None


def test_a_home_that_was_not_measured_is_not_left() -> None:
    assert rounds(at("us"), {"eu": 0.001}, 9, DWELL) is None


def test_a_busy_coordinator_is_farther() -> None:
    closeness = Closeness()
    closeness.measured("eu", 0.05, 0.0, load=1.0)
    closeness.measured("us", 0.08, 0.0)
    assert closeness.ranked(0.0) == ["us", "eu"]


def test_old_measurements_do_not_count() -> None:
    closeness = Closeness()
    closeness.measured("eu", 0.01, 0.0)
    assert closeness.ranked(301.0) == []
