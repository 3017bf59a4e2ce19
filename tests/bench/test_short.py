"""The short form: it fails on what is far beyond the usual each time, and neither on noise nor on what is not here."""

from collections.abc import Sequence

import pytest
from typer.testing import CliRunner

from bench import short
from bench.__main__ import app
from bench.report import by_scenario
from bench.scenarios import SCENARIOS
from bench.short import Bound, bounds, broken, regressions
from bench.suite import Round

BOUND = Bound("get-1k", "cpu_us", 1.0, "nginx")
WORSE, NOISE, GOOD = [16.0] * 7, [14.0, 14.0, 14.0, 16.0, 16.0, 16.0, 16.0], [10.0] * 7


def rounds(ours: list[float], peer: str = "nginx") -> dict[str, dict[str, list[Round]]]:
    taken = [Round("get-1k", "edgeproxy", {"cpu_us": us}) for us in ours]
    return by_scenario(taken + [Round("get-1k", peer, {"cpu_us": 10.0}) for _ in ours])


@pytest.mark.parametrize(("ours", "fails"), [(GOOD, False), ([14.9] * 7, False), (NOISE, False), (WORSE, True)])
def test_a_ratio_is_beyond_where_all_of_it_is(ours: list[float], fails: bool) -> None:
    assert bool(broken(rounds(ours), [BOUND])) == fails


def test_what_was_not_measured_does_not_fail() -> None:
    assert broken({}, [BOUND]) == []
    assert broken(rounds(WORSE, "haproxy"), [BOUND]) == []


@pytest.mark.parametrize(
    ("runs", "fails", "asked"), [([WORSE] * 3, True, 3), ([WORSE, WORSE, GOOD], False, 3), ([GOOD], False, 1)]
)
def test_it_must_be_so_each_time(runs: list[list[float]], fails: bool, asked: int) -> None:
    names: list[Sequence[str]] = []

    def again(scenarios: Sequence[str]) -> dict[str, dict[str, list[Round]]]:
        names.append(scenarios)
        return rounds(runs[len(names) - 1])

    assert bool(regressions([BOUND], again)) == fails
    assert names == [["get-1k"]] * asked


@pytest.mark.parametrize("bound", bounds(), ids=lambda bound: f"{bound.scenario}-{bound.figure}")
def test_a_bound_is_of_a_figure_that_is_shown(bound: Bound) -> None:
    scenario = SCENARIOS[bound.scenario]
    assert scenario.column(bound.figure)
    assert bound.beside is None or bound.beside in scenario.peers


@pytest.mark.parametrize(("ours", "code"), [(GOOD, 0), (WORSE, 1), (None, 3)])
def test_exit_codes(ours: list[float] | None, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def again(scenarios: Sequence[str]) -> dict[str, dict[str, list[Round]]]:
        if ours is None:
            raise OSError("no room")
        return rounds(ours)

    monkeypatch.setattr(short, "_measured", again)
    monkeypatch.setattr(type(short.PEERS["edgeproxy"]), "caveat", lambda peer: None)
    assert CliRunner().invoke(app, ["ci"]).exit_code == code
