"""What counts as a regression, and what is noise."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from bench.__main__ import app
from bench.compare import BETTER, SAME, WORSE, Change, changes, table
from bench.report import as_json
from bench.results import Result
from bench.suite import Round


def result(ours: list[float], theirs: float = 10.0, scenario: str = "get-1k", reference: str = "nginx") -> Result:
    taken = [Round(scenario, "edgeproxy", {"cpu_us": us}) for us in ours]
    taken += [Round(scenario, reference, {"cpu_us": theirs}) for _ in ours]
    written: Result = json.loads(json.dumps(as_json(taken, [], {})))
    return written


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ([10, 10, 10], [12, 12, 12], WORSE),
        ([12, 12, 12], [10, 10, 10], BETTER),
        ([10, 10, 10], [10, 10, 10], SAME),
        ([10, 10, 10], [10.4, 10.4, 10.4], SAME),  # beyond the interval, but by less than a twentieth
        ([9, 10, 12.5], [12, 12, 12], SAME),  # by a fifth, but the intervals meet
    ],
)
def test_a_change_counts_where_it_is_large_and_beyond_the_intervals(
    before: list[float], after: list[float], kind: str
) -> None:
    (change,) = changes(result(before), result(after))
    assert change.kind == kind


def test_a_slower_machine_is_no_regression() -> None:
    (change,) = changes(result([10, 10]), result([20, 20], theirs=20))
    assert change.by == 0


def test_what_only_one_has_or_what_has_another_reference_is_not_compared() -> None:
    assert not list(changes(result([10]), result([20], scenario="body-10m")))
    assert not list(changes(result([10]), result([20], reference="haproxy")))


def test_counts_that_were_zero_may_not_grow() -> None:
    none, one = ({"median": count, "low": count, "high": count} for count in (0, 1))
    change = Change("race", "get_errors", none, one)
    assert change.kind == WORSE
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(table([change]))
    assert "worse" in console.export_text()


@pytest.mark.parametrize(("after", "code"), [([10.0, 10.0], 0), ([15.0, 15.0], 1)])
def test_the_command_fails_where_something_is_worse(after: list[float], code: int, tmp_path: Path) -> None:
    files = tmp_path / "a.json", tmp_path / "b.json"
    for file, ours in zip(files, ([10.0, 10.0], after), strict=True):
        file.write_text(json.dumps(result(ours)))
    done = CliRunner().invoke(app, ["compare", *map(str, files)])
    assert done.exit_code == code, done.output
    assert "get-1k" in done.output


def test_the_command_says_what_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    done = CliRunner().invoke(app, ["compare", str(tmp_path / "a.json"), str(tmp_path / "none.json")])
    assert done.exit_code == 2
    assert "is not a result" in " ".join(done.output.replace("│", " ").split())
