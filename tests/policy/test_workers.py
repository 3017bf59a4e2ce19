"""What is observed of a worker, and when it is left out."""

from __future__ import annotations

import pytest

from edgeproxy.policy.worker import DEFAULT_IDLE_LIMIT, LONGEST_PAUSE, SHORTEST_IDLE_LIMIT, Worker


def test_origin() -> None:
    assert Worker("w", "a", 80).origin == b"a"
    assert Worker("w", "a", 443, tls=True).origin == b"a"
    assert Worker("w", "a", 80, tls=True).origin == b"a:80"
    assert Worker("w", "::1", 8000).origin == b"[::1]:8000"


def test_pauses_grow_to_a_bound_and_end_with_success() -> None:
    worker, now, pauses = Worker("w", "a", 80), 100.0, []
    for _ in range(20):
        worker.failed(now)
        pauses.append(worker.left_out_until - now)
    assert pauses[:5] == [1, 2, 4, 8, 16]
    assert max(pauses) == pauses[-1] == LONGEST_PAUSE
    assert not worker.available(now)
    assert worker.available(now + LONGEST_PAUSE)
    worker.succeeded()
    assert worker.available(now)
    worker.failed(now)
    assert worker.left_out_until == now + 1


def test_probes() -> None:
    worker = Worker("w", "a", 80)
    worker.probed(False)
    assert not worker.available(1e9)
    worker.failed(100.0)
    worker.probed(True)
    assert worker.available(100.0), "a worker that is alive again is asked at once"
    worker.failed(100.0)
    worker.probed(True)
    assert not worker.available(100.0), "a probe does not excuse requests that fail"


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
