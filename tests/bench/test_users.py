"""The locust files, run by locust itself against real programs, and how their targets are judged."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.launch import ROOT
from bench.success import Watched, _outcomes
from bench.users import SCENARIOS
from bench.users.run import Load, run, serving
from bench.users.targets import Target, judge


class Stats:
    """As much of locust's statistics as is read."""

    def __init__(self, ms: float, count: int, failures: int = 0) -> None:
        self.ms, self.count = ms, count
        self.total = SimpleNamespace(num_requests=count, num_failures=failures, max_response_time=ms)

    def get(self, name: str, kind: str) -> Any:
        return SimpleNamespace(num_requests=self.count, get_response_time_percentile=lambda share: self.ms * share)


@pytest.mark.parametrize(
    ("stats", "met"),
    [
        (Stats(100, 10), [True, True]),
        (Stats(120, 10), [False, True]),
        (Stats(100, 10, failures=1), [True, False]),
        (Stats(0, 0), [False, False]),
    ],
)
def test_a_target_is_met_by_its_percentile_and_nothing_measured_is_missed(stats: Stats, met: list[bool]) -> None:
    outcomes = judge([Target("POST", "/a", 100)], stats)
    assert [outcome.met for outcome in outcomes] == met
    assert str(outcomes[0]).startswith("met" if met[0] else "missed")


def test_every_scenario_is_a_file_with_targets() -> None:
    for name in SCENARIOS:
        assert "\nexpect(" in (ROOT / "bench" / "users" / f"{name}.py").read_text()


def test_machines_register_beat_and_leave_at_a_real_coordinator() -> None:
    with serving("machines", lambda _: None) as (url, pid):
        found = run("machines", Load(users=4, seconds=5), url, lambda _: None)
        watched = Watched(pid)
        watched.look(url)
        missing = run("chat", Load(users=1, seconds=2), url, lambda _: None)
    assert found["code"] == 0, found["output"]
    assert {request["name"] for request in found["requests"]} >= {"/api/worker/register", "/api/worker/heartbeat"}
    assert all(target["met"] for target in found["targets"])
    assert watched.outside == set()
    outcomes = {outcome.goal: outcome for outcome in _outcomes(found, watched, 0.1)}
    assert outcomes["success-writes"].met
    assert outcomes["success-registration"].met
    assert outcomes["success-primary"].met
    assert missing["code"] == 1  # a coordinator does not talk
    assert any("nothing measured" in str(target) or not target["met"] for target in missing["targets"])


def test_a_process_that_calls_elsewhere_misses_what_costs_nothing() -> None:
    watched = Watched(os.getpid(), outside={"203.0.113.7"}, regions={"eu"})
    outcomes = {outcome.goal: outcome for outcome in _outcomes({"requests": []}, watched, 0.5)}
    assert not any(outcome.met for outcome in outcomes.values())
    assert "203.0.113.7" in outcomes["success-cost"].measured


def test_plain_locust_runs_the_files(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "locust", "-f", "bench/users/mixed.py", "--list"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "Person" in done.stdout
