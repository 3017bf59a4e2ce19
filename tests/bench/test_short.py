"""The short form: it fails on ratios beyond their bounds, and on what was not measured."""

import pytest

from bench.report import by_scenario
from bench.scenarios import SCENARIOS
from bench.short import Bound, bounds, broken
from bench.suite import Round

BOUND = Bound("get-1k", "cpu_us", 1.1, "nginx")


def rounds(ours: list[float], peer: str = "nginx") -> dict[str, dict[str, list[Round]]]:
    taken = [Round("get-1k", "edgeproxy", {"cpu_us": us}) for us in ours]
    return by_scenario(taken + [Round("get-1k", peer, {"cpu_us": 10.0}) for _ in ours])


@pytest.mark.parametrize(
    ("ours", "fails"), [([10, 10, 10], False), ([12, 12, 12], True), ([10.5, 12, 12], False), ([11, 11, 11], False)]
)
def test_a_ratio_fails_where_all_of_it_is_beyond(ours: list[float], fails: bool) -> None:
    assert bool(broken(rounds(ours), [BOUND])) == fails


def test_what_was_not_measured_fails() -> None:
    assert broken({}, [BOUND]) == [BOUND]
    assert broken(rounds([10], "haproxy"), [BOUND]) == [BOUND]


@pytest.mark.parametrize("bound", bounds(), ids=lambda bound: f"{bound.scenario}-{bound.figure}")
def test_a_bound_is_of_a_figure_that_is_shown(bound: Bound) -> None:
    scenario = SCENARIOS[bound.scenario]
    assert scenario.column(bound.figure)
    assert bound.beside is None or bound.beside in scenario.peers
