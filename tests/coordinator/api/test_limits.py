"""How often somebody may ask: the bursts, the long run, and that memory has an end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.api import limits
from coordinator.api.limits import Rate


def test_a_burst_then_the_rate() -> None:
    rate = Rate(per_second=10.0, burst=5)
    assert [rate.wait("k", 100.0) for _ in range(5)] == [0.0] * 5
    assert rate.wait("k", 100.0) == pytest.approx(0.1)
    assert rate.wait("k", 100.0) == pytest.approx(0.1)  # who is refused is not counted
    assert rate.wait("other", 100.0) == 0.0
    assert rate.wait("k", 100.1) == 0.0
    assert rate.wait("k", 100.1) > 0


@given(st.lists(st.floats(0, 3), min_size=1, max_size=300))
def test_never_more_than_the_burst_and_the_rate(gaps: list[float]) -> None:
    rate, now, allowed = Rate(per_second=2.0, burst=4), 0.0, []
    for gap in gaps:
        now += gap / 10
        if rate.wait("k", now) == 0.0:
            allowed.append(now)
    for index, first in enumerate(allowed):
        for count, last in enumerate(allowed[index:], 1):
            assert count <= 4 + 2.0 * (last - first) + 1e-6


def test_keys_without_number_cost_memory_with_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_KEYS", 100)
    rate = Rate(per_second=1.0, burst=1)
    assert rate.wait("honest", 1000.0) == 0.0
    for number in range(50):
        rate.wait(f"attacker-{number}", 1000.0)
    assert rate.wait("honest", 1000.0) > 0  # a flood that turns a generation forgets nobody who has just asked
    for number in range(1000):
        rate.wait(f"more-{number}", 1000.0)
    assert len(rate._full_at) + len(rate._before) <= 200
