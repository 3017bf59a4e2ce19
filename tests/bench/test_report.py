"""The maths of the report, on rounds made by hand."""

import io
import json
import math
from collections.abc import Sequence

import pytest
from rich.console import Console

from bench.report import Estimate, as_json, by_scenario, estimate, judge, ratio, reference, table
from bench.scenarios import SCENARIOS, Goal
from bench.suite import Round

FIGURES = {"serving_us": 9.0, "requests_per_s": 1000.0, "mib_per_s": 1.0, "busy": 0.02}


def rounds(peer: str, cpu_us: Sequence[float], scenario: str = "get-1k", others: float = 0.0) -> list[Round]:
    return [Round(scenario, peer, {**FIGURES, "cpu_us": us, "others": others}) for us in cpu_us]


def leaves(p99_ms: Sequence[float]) -> list[Round]:
    return [Round("leave", "edgeproxy", {"p99_ms": ms}) for ms in p99_ms]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2.0], Estimate(2.0, 2.0, 2.0)),
        ([3.0, 1.0, 2.0], Estimate(2.0, 1.0, 3.0)),
        ([1.0, 2.0], Estimate(1.5, 1.0, 2.0)),
        (range(7), Estimate(3, 0, 6)),
        (range(9), Estimate(4, 1, 7)),
        (range(20), Estimate(9.5, 5, 14)),
    ],
)
def test_the_interval_around_the_median(values: Sequence[float], expected: Estimate) -> None:
    assert estimate(values) == expected


@pytest.mark.parametrize("count", range(6, 40))
def test_the_interval_has_the_true_median_in_95_of_100_runs_and_is_the_tightest_that_has(count: int) -> None:
    cut = int(estimate(range(count)).low)

    def outside(left_out: int) -> float:
        return 2 * sum(math.comb(count, k) for k in range(left_out + 1)) / 2**count

    assert outside(cut) <= 0.05 < outside(cut + 1)


def test_a_ratio_is_taken_between_neighbours_so_that_a_slow_machine_is_slow_for_both() -> None:
    ours, theirs = rounds("edgeproxy", [20, 200, 22]), rounds("nginx", [10, 100, 11])
    measured = ratio("cpu_us", ours, theirs)
    assert (measured.median, measured.low, measured.high) == pytest.approx((2.0, 2.0, 2.0))


def test_rounds_that_do_not_match_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratio("cpu_us", rounds("edgeproxy", [1, 2]), rounds("nginx", [1]))


def test_the_reference_is_nginx_and_else_the_next_best_known() -> None:
    assert reference(["edgeproxy", "haproxy", "nginx"]) == "nginx"
    assert reference(["edgeproxy", "aiohttp", "haproxy"]) == "haproxy"
    assert reference(["edgeproxy"]) == "edgeproxy"


@pytest.mark.parametrize(
    ("ours", "met", "words"),
    [
        ([15, 15, 15], True, "met     1 KiB GET: edgeproxy, CPU us/request <= 1.6 x nginx: 1.50"),
        ([17, 17, 17], False, "missed  1 KiB GET: edgeproxy, CPU us/request <= 1.6 x nginx: 1.70"),
        ([15, 15, 18], True, "within the noise"),
        ([15, 17, 17], False, "within the noise"),
    ],
)
def test_a_goal_is_met_or_missed_by_the_median(ours: list[float], met: bool, words: str) -> None:
    found = {"edgeproxy": rounds("edgeproxy", ours), "nginx": rounds("nginx", [10, 10, 10])}
    verdict = judge(Goal("get-1k", "cpu_us", 1.6, ("nginx",)), found)
    assert verdict.met is met
    assert words in str(verdict)
    assert ("noise" in str(verdict)) == ("noise" in words)


def test_a_goal_is_judged_beside_the_cheapest_that_ran() -> None:
    found = {name: rounds(name, [us]) for name, us in (("edgeproxy", 15), ("nginx", 20), ("haproxy", 10))}
    verdict = judge(Goal("get-1k", "cpu_us", 1.0, ("nginx", "haproxy", "caddy")), found)
    assert verdict.beside == "haproxy"
    assert verdict.met is False


@pytest.mark.parametrize(("p99_ms", "met"), [([90, 99, 300], True), ([90, 101, 101], False)])
def test_a_goal_beside_nobody_is_one_of_the_figure_itself(p99_ms: list[float], met: bool) -> None:
    verdict = judge(Goal("leave", "p99_ms", 100.0), {"edgeproxy": leaves(p99_ms)})
    assert verdict.met is met
    assert "client leaves" in str(verdict)
    assert f"edgeproxy, p99 ms <= 100: {p99_ms[1]:.2f} [" in str(verdict)


@pytest.mark.parametrize(("others", "words"), [(0.0, ""), (0.1, ""), (0.3, "disturbed: others had 30% of the core")])
def test_a_goal_says_when_others_had_the_core(others: float, words: str) -> None:
    found = {"edgeproxy": rounds("edgeproxy", [10, 10], others=others), "nginx": rounds("nginx", [10, 10])}
    line = str(judge(Goal("get-1k", "cpu_us", 1.0, ("nginx",)), found))
    assert words in line
    assert ("disturbed" in line) == bool(words)


def test_the_table_of_what_is_not_compared_has_no_ratios() -> None:
    figures = {"p99_ms": 1.0, "p50_ms": 0.5, "silent_p50_ms": 0.5, "mute_p50_ms": 0.5, "never": 0.0}
    shown = table(SCENARIOS["leave"], {"nginx": [Round("leave", "nginx", figures)]})
    assert not any(str(column.header).startswith("x ") for column in shown.columns)


@pytest.mark.parametrize("ran", [["edgeproxy"], ["nginx"]])
def test_a_goal_without_one_of_the_two_is_not_measured(ran: list[str]) -> None:
    verdict = judge(Goal("get-1k", "cpu_us", 1.6, ("nginx",)), {name: rounds(name, [10]) for name in ran})
    assert verdict.met is None
    absent = "nginx" if "edgeproxy" in ran else "edgeproxy"
    assert str(verdict).startswith(f"not measured: {absent} did not run: 1 KiB GET")


def test_a_goal_that_cannot_be_measured_says_why() -> None:
    verdict = judge(Goal("get-1k", "cpu_us", 1.6, ("nginx",)), {}, "edgeproxy has no rate limit yet")
    assert str(verdict).startswith("not measured: edgeproxy has no rate limit yet: 1 KiB GET: edgeproxy,")


def test_the_table_has_the_figures_and_who_is_missing() -> None:
    found = {"edgeproxy": rounds("edgeproxy", [15]), "nginx": rounds("nginx", [10])}
    console = Console(width=150, record=True, file=io.StringIO())
    console.print(table(SCENARIOS["get-1k"], found, ["haproxy (no haproxy on this machine)"]))
    shown = console.export_text()
    row = next(line for line in shown.splitlines() if "edgeproxy" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "edgeproxy", "1.50 [1.50..1.50]", "15.0", "9.0", "1,000", "1.0", "2%", "0%",
    ]  # fmt: skip
    assert "Left out: haproxy (no haproxy on this machine)." in shown


def test_json_keeps_every_round_and_every_goal() -> None:
    taken = [*rounds("edgeproxy", [15, 16]), *rounds("nginx", [10, 10]), *rounds("nginx", [9], "body-10m")]
    assert by_scenario(taken)["body-10m"].keys() == {"nginx"}
    verdict = judge(Goal("get-1k", "cpu_us", 1.6, ("nginx",)), by_scenario(taken)["get-1k"])
    written = json.loads(json.dumps(as_json(taken, [verdict], {"date": "2024-01-01"})))
    assert written["date"] == "2024-01-01"
    scenario = written["scenarios"]["get-1k"]
    assert scenario["reference"] == "nginx"
    assert len(scenario["peers"]["edgeproxy"]["rounds"]) == 2
    assert scenario["peers"]["edgeproxy"]["ratio"]["median"] == pytest.approx(1.55)
    assert scenario["peers"]["edgeproxy"]["figures"]["cpu_us"]["median"] == pytest.approx(15.5)
    assert written["goals"][0]["met"] is True
