"""What a run of the guard's bench leaves for the page."""

from __future__ import annotations

from bench.guard.report import Line, outcomes
from bench.results import goals


def test_a_goal_is_met_where_all_its_lines_are() -> None:
    lines = [
        Line("a 429", "5 us", "0.5 x", True, "guard-rejected"),
        Line("a 401", "7 us", "0.7 x", False, "guard-rejected"),
        Line("keys", "4 MiB", met=True, goal="guard-keys"),
        Line("of no goal", "1"),
    ]
    found = {one.goal: one for one in outcomes(lines)}
    assert found.keys() == {"guard-rejected", "guard-keys"}
    assert found["guard-rejected"].met is False
    assert found["guard-rejected"].measured == "a 429: 5 us (0.5 x); a 401: 7 us (0.7 x)"
    assert found["guard-keys"].met is True
    assert found.keys() <= {goal.name for goal in goals()}
