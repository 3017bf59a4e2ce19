"""The registry's bench runs, and counts what it says it counts."""

from typing import Any

import pytest

from bench.registry import assignment, deaths, memory, quiet


@pytest.mark.parametrize(
    ("path", "breaks", "most"),
    [("refused", False, 7.0), ("silent", False, 8.0), (None, True, 8.0), (None, False, 15.5)],
)
def test_deaths_are_seen_and_nobody_who_lives_is_called_dead(path: Any, breaks: bool, most: float) -> None:
    found = deaths.measure(path, 40, breaks=breaks)
    assert found["deaths"] >= 40
    assert found["false"] == 0
    assert found["p50"] <= found["worst"] <= most  # virtual time: not a speed of this machine


def test_a_repair_has_something_to_do() -> None:
    found = assignment.measure(300)
    assert found["repair_steps"] >= 3


async def test_a_quiet_fleet_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "ROUNDS", 5)
    found = await quiet.measure(20)
    assert (found["heartbeats"], found["state_file_writes"], found["events"]) == (100, 0, 1)


def test_memory_is_measured_in_a_process_of_its_own() -> None:
    found = memory.measure(2000)
    assert (found["workers"], 100 < found["packed_bytes"] < 300) == (2000, True)
