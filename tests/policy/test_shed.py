"""What a process takes on: simulated in sweeps, with a capacity, and more asked of it than it can do."""

from __future__ import annotations

from collections import Counter

from edgeproxy.policy.shed import FEWEST, HIGH, LOW, MOST, NORMAL, Shed

SWEEP = 0.25
CAPACITY = 1000  # requests that are done in a sweep; a refused one costs half of it


def simulated(shed: Shed, asked: dict[int, int], sweeps: int) -> tuple[Counter[int], float]:
    """(taken on by priority in the second half, the longest delay there) of a process that is asked so much a sweep."""
    taken: Counter[int] = Counter()
    backlog, longest = 0.0, 0.0
    for sweep in range(sweeps):
        for number in range(max(asked.values())):
            for priority, count in asked.items():
                if number < count:
                    took = shed.takes(priority)
                    backlog += 1 if took else 0.5
                    if took and sweep >= sweeps // 2:
                        taken[priority] += 1
        backlog = max(0.0, backlog - CAPACITY)
        late = backlog / CAPACITY * SWEEP
        if sweep >= sweeps // 2:
            longest = max(longest, late)
        shed.observed(late)
    return taken, longest


def test_at_rest_everybody_is_taken() -> None:
    taken, longest = simulated(Shed(), {LOW: 300, NORMAL: 300, HIGH: 300}, 40)
    assert taken == {LOW: 6000, NORMAL: 6000, HIGH: 6000}
    assert longest == 0


def test_too_much_is_refused_from_the_least_important_on_and_the_delay_is_kept() -> None:
    taken, longest = simulated(Shed(), {LOW: 400, NORMAL: 500, HIGH: 200}, 400)
    share = {priority: taken[priority] / 200 / asked for priority, asked in ((LOW, 400), (NORMAL, 500), (HIGH, 200))}
    assert share[HIGH] == 1
    assert share[NORMAL] == 1
    assert 0 < share[LOW] < 0.5, "no more than must be"
    assert longest < 2, "seconds; without it would be a minute"


def test_where_all_are_alike_a_part_is_refused() -> None:
    taken, longest = simulated(Shed(), {NORMAL: 1400}, 400)
    assert 0.2 * 1400 * 200 < taken[NORMAL] < 0.75 * 1400 * 200
    assert longest < 2


def test_what_is_important_is_never_refused_whole() -> None:
    shed = Shed()
    for _ in range(50):
        simulated(shed, {HIGH: 100}, 1)
        shed.observed(1.0)
    assert sum(shed.takes(HIGH) for _ in range(100)) >= 10


def test_who_is_busy_with_other_things_refuses_the_least_important_alone() -> None:
    """A flood that is answered before it comes here, or a machine that has no time for us."""
    shed = Shed()
    for _ in range(50):
        shed.takes(NORMAL)
        shed.observed(0.5)
    assert [shed.takes(priority) for priority in (LOW, NORMAL, HIGH)] == [False, True, True]
    for _ in range(100):
        shed.observed(0.0)
    assert shed.takes(LOW)


def test_many_that_wait_for_their_workers_do_not_shut_the_others_out() -> None:
    """Late for a moment while 5,000 streams are under way, which end in minutes."""
    shed = Shed()
    shed.in_flight = 5000
    shed.observed(0.3)
    assert shed.bound == 10_000
    assert shed.takes(NORMAL)


def test_the_bound_follows_what_there_was_when_it_was_late_and_comes_back() -> None:
    shed = Shed()
    shed.in_flight = 1000
    for _ in range(10):
        shed.observed(0.3)
    assert shed.bound == 2000
    shed.in_flight = 2000
    assert not shed.takes(HIGH), "no more than twice as many"
    shed.in_flight = 0
    shed.observed(0.3)
    assert shed.bound == FEWEST
    for _ in range(400):
        shed.observed(0.0)
    assert shed.bound == MOST
