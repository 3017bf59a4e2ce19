"""The page: every goal is in it, it needs nothing from elsewhere, and its pictures are pictures."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import results
from bench.open_loop import SHARES
from bench.page import page
from bench.plots import bars, linear, lines, logarithmic, tail
from bench.report import as_json, by_scenario, judge
from bench.results import Outcome, Result
from bench.scenarios import GOALS, SCENARIOS
from bench.suite import Round

LATENCIES = {f"p{share:g}": share / 10 for share in SHARES}
EXTRA = {"late_p99": 0.1, "cpu_us": 20.0, "requests_per_s": 1000.0, "others": 0.0}


def result() -> Result:
    taken = [Round("get-1k", peer, {"cpu_us": us}) for peer, us in (("edgeproxy", 15.0), ("nginx", 20.0))]
    taken += [Round("latency", peer, {**LATENCIES, **EXTRA}) for peer in ("edgeproxy", "nginx")]
    taken += [
        Round(name, peer, {"cpu_us": 10.0 + at})
        for name, scenario in SCENARIOS.items()
        if scenario.curve
        for at, peer in enumerate(scenario.peers)
    ]
    found = by_scenario(taken)
    verdicts = [judge(goal, found.get(goal.scenario, {})) for goal in GOALS]
    context = {"date": "2024-01-01", "machine": {"cpu": "one <fast>"}, "versions": {"nginx": "1.22"}}
    written: Result = json.loads(json.dumps(as_json(taken, verdicts, context)))
    return written


def test_every_goal_is_in_the_page_met_missed_or_not_measured() -> None:
    shown = page(result(), results.goals(), {"pick": Outcome("pick", "0.3 us & less", True)})
    for goal in results.goals():
        assert goal.text.replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#x27;") in shown
    assert "0.75 x nginx [0.75..0.75]" in shown
    assert "0.3 us &amp; less" in shown
    assert "aiohttp did not run" in shown
    assert "run <code>python -m bench.federation all</code>" in shown
    assert "one &lt;fast&gt;" in shown
    assert shown.count('class="met"') == 2


def test_the_page_needs_nothing_from_elsewhere_and_its_plots_are_well_formed() -> None:
    shown = page(result(), results.goals(), {})
    assert not re.search(r"<(script|link|img)|https?://", shown)
    pictures = re.findall(r"<svg.*?</svg>", shown)
    assert len(pictures) == 6  # percentiles, three curves, CPU of the two scenarios
    for picture in pictures:
        assert ElementTree.fromstring(picture).attrib["viewBox"]
    assert all(f"as {what} grow" in shown for what in ("connections", "bodies", "workers"))
    assert "latency by percentile" in shown


def test_goals_that_the_run_itself_measures_are_all_in_the_file() -> None:
    named = {goal.name for goal in results.goals()}
    assert {goal.name for goal in GOALS} <= named
    assert len(named) == len(list(results.goals()))


def test_what_parts_leave_is_found_again_and_the_last_word_counts(tmp_path: Path) -> None:
    assert results.outcomes(tmp_path) == {}
    results.leave_outcomes("guard", [Outcome("guard-cost", "2 us", False)], tmp_path)
    results.leave_outcomes("guard", [Outcome("guard-cost", "0.5 us", True)], tmp_path)
    assert results.outcomes(tmp_path) == {"guard-cost": Outcome("guard-cost", "0.5 us", True)}


def test_a_run_of_a_few_figures_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    results.leave_outcomes(
        "guard", [Outcome("guard-cost", "2 us", False), Outcome("guard-keys", "8 B", True)], tmp_path
    )
    results.leave_outcomes("guard", [Outcome("guard-cost", "0.5 us", True)], tmp_path)
    found = results.outcomes(tmp_path)
    assert found["guard-keys"] == Outcome("guard-keys", "8 B", True)
    assert found["guard-cost"].met
    assert found["guard-cost"].date


def test_a_result_is_left_and_read_again(tmp_path: Path) -> None:
    target = results.leave(result(), tmp_path)
    assert results.latest(tmp_path) == target
    assert results.read(target) == result()
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(ValueError, match="is not a result"):
        results.read(tmp_path / "other.json")


def test_scales() -> None:
    assert [tail(share) for share in (0, 90, 99, 99.9)] == pytest.approx([0, 0.2, 0.4, 0.6])
    assert tail(100) == pytest.approx(1)
    assert [logarithmic(1, 100)(value) for value in (1, 10, 100)] == pytest.approx([0, 0.5, 1])
    assert linear(2, 4)(3) == 0.5


@pytest.mark.parametrize("drawn", [lines("t", "x", "y", {"a": []}, {}, linear(0, 1)), bars("t", "y", {})])
def test_nothing_to_show_is_no_picture(drawn: str) -> None:
    assert drawn == ""


def test_names_are_escaped() -> None:
    drawn = bars('a "b" <c>', "y", {"<d>": (1, 1, 1)})
    assert "<c>" not in drawn
    assert "<d>" not in drawn
    ElementTree.fromstring(f"<p>{drawn}</p>")
