"""Passive health: what counts against a worker, for how long, and what never may."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.policy.health import (
    FIRST_EJECTION,
    HOLD_FAILED,
    HOLD_UNREACHED,
    IN_A_ROW,
    LONGEST_EJECTION,
    answered_badly,
    failed,
)
from edgeproxy.policy.worker import Worker

NOW = 100.0


def fleet(size: int) -> list[Worker]:
    return [Worker(f"w{number}", "a", number) for number in range(size)]


def test_a_refused_address_is_ejected_at_once() -> None:
    workers = fleet(2)
    assert failed(workers[0], workers, NOW, unreached=True)
    assert not workers[0].available(NOW + FIRST_EJECTION - 0.01)
    assert workers[0].available(NOW + FIRST_EJECTION)
    assert workers[0].share(NOW + FIRST_EJECTION) < 1, "it comes back slowly"


def test_the_last_one_is_held_for_a_moment_and_not_ejected() -> None:
    workers = fleet(1)
    assert not failed(workers[0], workers, NOW, unreached=True)
    assert not workers[0].available(NOW + HOLD_UNREACHED - 0.01)
    assert workers[0].available(NOW + HOLD_UNREACHED)


def test_a_broken_request_is_a_short_pause_and_five_in_a_row_an_ejection() -> None:
    workers = fleet(2)
    for number in range(1, IN_A_ROW + 1):
        ejected = failed(workers[0], workers, NOW, unreached=False)
        assert ejected is (number == IN_A_ROW)
        if not ejected:
            assert workers[0].left_out_until == NOW + HOLD_FAILED * 2 ** (number - 1)
    assert workers[0].left_out_until == max(NOW + FIRST_EJECTION, NOW + HOLD_FAILED * 2 ** (IN_A_ROW - 1))


def test_a_success_between_begins_the_row_anew() -> None:
    workers = fleet(2)
    for _ in range(3 * IN_A_ROW):
        assert not failed(workers[0], workers, NOW, unreached=False)
        workers[0].succeeded(NOW)


def test_ejections_grow_to_a_bound() -> None:
    workers, now, pauses = fleet(2), NOW, []
    for _ in range(80):
        assert failed(workers[0], workers, now, unreached=True)
        pauses.append(workers[0].ejected_until - now)
        now = workers[0].ejected_until
    assert pauses[:3] == [FIRST_EJECTION, 2 * FIRST_EJECTION, 3 * FIRST_EJECTION]
    assert pauses[-1] == LONGEST_EJECTION
    now += LONGEST_EJECTION
    failed(workers[0], workers, now, unreached=True)
    assert workers[0].ejected_until - now == FIRST_EJECTION, "long ago is forgiven"


def test_requests_under_way_when_it_is_ejected_make_it_no_longer() -> None:
    workers = fleet(2)
    assert failed(workers[0], workers, NOW, unreached=True)
    assert not any(failed(workers[0], workers, NOW + 1, unreached=True) for _ in range(50))
    assert workers[0].ejected_until == NOW + FIRST_EJECTION


def test_mostly_5xx_while_others_do_well() -> None:
    workers = fleet(3)
    for _ in range(20):
        workers[1].succeeded(NOW)
    outcomes = [answered_badly(workers[0], workers, NOW) for _ in range(20)]
    assert outcomes == [False] * 19 + [True]


def test_requests_that_fail_everywhere_are_the_requests_doing() -> None:
    workers = fleet(3)
    for _ in range(50):
        assert not any(answered_badly(worker, workers, NOW) for worker in workers)


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.floats(0, 3)), max_size=80), st.integers(1, 7))
def test_never_more_than_half_are_ejected(events: list[tuple[int, bool, float]], size: int) -> None:
    workers, now = fleet(size), NOW
    for number, unreached, pause in events:
        now += pause
        failed(workers[number % size], workers, now, unreached=unreached)
        assert sum(now < worker.ejected_until for worker in workers) <= size // 2
