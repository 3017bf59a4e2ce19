"""What is observed of a worker."""

from __future__ import annotations

import pytest

from edgeproxy.policy.worker import (
    DEFAULT_IDLE_LIMIT,
    FIRST_SHARE,
    RECENT,
    SHORTEST_IDLE_LIMIT,
    SLOW_START,
    Worker,
)

NOW = 100.0


def test_origin() -> None:
    assert Worker("w", "a", 80).origin == b"a"
    assert Worker("w", "a", 443, tls=True).origin == b"a"
    assert Worker("w", "a", 80, tls=True).origin == b"a:80"
    assert Worker("w", "::1", 8000).origin == b"[::1]:8000"


def test_probes() -> None:
    worker = Worker("w", "a", 80)
    worker.probed(False, NOW)
    assert not worker.available(1e9)
    worker.left_out_until = 1e9
    worker.probed(True, NOW)
    assert worker.available(NOW), "a worker that is alive again is asked at once"
    worker.left_out_until = NOW + 1
    worker.probed(True, NOW)
    assert not worker.available(NOW), "a probe does not excuse requests that fail"


def test_one_that_no_check_has_seen_is_not_available() -> None:
    worker = Worker("w", "a", 80)
    worker.unproven = True
    assert not worker.available(NOW)
    worker.probed(True, NOW)
    assert worker.available(NOW)


def test_one_that_is_full_is_not_available() -> None:
    worker = Worker("w", "a", 80, slots=2)
    worker.begin(NOW)
    assert worker.available(NOW)
    worker.begin(NOW)
    assert not worker.available(NOW)


def test_slow_start() -> None:
    worker = Worker("w", "a", 80, weight=4.0)
    assert worker.share(NOW) == 4.0
    worker.probed(False, NOW)
    worker.probed(True, NOW)
    assert worker.share(NOW) == 4.0 * FIRST_SHARE
    assert worker.share(NOW + SLOW_START / 2) == 2.0
    assert worker.share(NOW + SLOW_START) == 4.0


def test_a_rise_of_latency_is_believed_at_once_and_a_fall_by_and_by() -> None:
    worker = Worker("w", "a", 80)
    worker.took(0.01, NOW)
    worker.took(0.5, NOW)
    assert worker.expected(NOW) == 0.5
    worker.took(0.01, NOW)
    assert worker.expected(NOW) == 0.5, "no time has passed"
    worker.took(0.01, NOW + 2.0)
    assert 0.2 < worker.expected(NOW + 2.0) < 0.3
    assert worker.expected(NOW + 30) < 0.01, "old knowledge fades"


def test_silence_is_counted_and_expected_to_go_on() -> None:
    worker = Worker("w", "a", 80)
    worker.begin(NOW)
    worker.begin(NOW + 1)
    assert (worker.unheard, worker.quiet_since, worker.expected(NOW + 1.5)) == (2, NOW, 1.5)
    worker.heard(NOW + 2)
    worker.begin(NOW + 3)
    assert (worker.unheard, worker.quiet_since) == (1, NOW + 2)
    worker.in_flight = 0
    worker.begin(NOW + 9)
    assert worker.quiet_since == NOW + 9, "one with nothing to do has nothing to say"


def test_recent_counts_fade() -> None:
    worker = Worker("w", "a", 80)
    for _ in range(8):
        worker.count(False, NOW)
    worker.count(True, NOW + RECENT + 1)
    assert (worker.recent_good, worker.recent_bad) == (1, 4)
    worker.count(True, NOW + 100)
    assert (worker.recent_good, worker.recent_bad) == (1, 0)


def test_the_idle_limit_only_shrinks() -> None:
    worker = Worker("w", "a", 80)
    worker.advertised_idle_limit(75)
    assert worker.idle_limit == DEFAULT_IDLE_LIMIT
    worker.saw_race(2.0)
    assert worker.idle_limit == pytest.approx(1.6)
    worker.advertised_idle_limit(2)
    assert worker.idle_limit == 1.0
    worker.saw_race(10.0)
    assert worker.idle_limit == 1.0
    worker.saw_race(0.0)
    worker.advertised_idle_limit(0)
    assert worker.idle_limit == SHORTEST_IDLE_LIMIT
