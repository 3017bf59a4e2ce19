"""The figures of the coordinator's benches are judged by the goals of the file, and can miss them."""

from pathlib import Path

import pytest

from bench import results
from bench.coordinator import outcomes

MET = {
    "registrations": {"p95_ms": 4.9, "rate": 1500.0, "cpu_us": 300.0},
    "heartbeats": {"per_core": 12_500.0, "microseconds": 80.0},
    "changes": {"p99_ms": 30.0},
    "memory": {"bytes_per_worker": 1001.0, "workers": 1e5, "resident_mib": 95.4},
    "assignment": {"joining_ms": 43.0, "workers": 1e4, "repair_ms": 1.4},
    "forgeries": {"accepted": 0.0, "messages": 1e6},
    "quiet": {"state_file_writes": 0.0, "heartbeats": 3e5},
}
WORSE = {
    "p95_ms": 5.1,
    "per_core": 11_000.0,
    "p99_ms": 201.0,
    "bytes_per_worker": 1025.0,
    "joining_ms": 201.0,
    "accepted": 1.0,
}


@pytest.mark.parametrize("name", MET)
def test_each_goal_is_met_or_missed(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(outcomes, "leave_outcomes", lambda part, found: results.leave_outcomes(part, found, tmp_path))
    known = {goal.name for goal in results.goals()}
    worse = {**MET[name], **{key: value for key, value in WORSE.items() if key in MET[name]}, "state_file_writes": 1.0}
    for figures, met in ((MET[name], True), (worse, False)):
        outcomes.leave(name, figures)
        (outcome,) = results.outcomes(tmp_path).values()
        assert outcome.goal in known
        assert outcome.met is met


def test_fewer_forgeries_than_the_goal_asks_for_do_not_meet_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(outcomes, "leave_outcomes", lambda part, found: results.leave_outcomes(part, found, tmp_path))
    outcomes.leave("forgeries", {"accepted": 0.0, "messages": 5e4})
    assert results.outcomes(tmp_path)["forgeries"].met is None


def test_deaths_count_on_every_way() -> None:
    good, slow = {"p50": 5.2, "p99": 7.6, "false": 0.0}, {"p50": 12.7, "p99": 15.1, "false": 0.0}
    assert outcomes.deaths({"refuses": good}).met is True
    assert outcomes.deaths({"refuses": good, "behind NAT": slow}).met is False
    assert outcomes.deaths({"refuses": {**good, "false": 1.0}}).met is False
    assert outcomes.killed({"median": 0.07, "worst": 1.2, "deaths": 8.0}).met is False
