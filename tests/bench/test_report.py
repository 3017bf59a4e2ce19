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


def rounds(peer: str, cpu_us: Sequence[float], scenario: str = "get-1k") -> list[Round]:
    """Of 1000 requests in 1 s each; one in ten of the microseconds is a supervisor's."""
    return [Round(scenario, peer, 1000, 1.0, {10: us * 0.9e-3, 11: us * 0.1e-3}) for us in cpu_us]


def test_a_round_divides_by_its_requests() -> None:
    one = Round("get-1k", "edgeproxy", 50_000, 2.0, {10: 0.8, 11: 0.2})
    assert one.cpu_us == pytest.approx(20.0)
    assert one.serving_us == pytest.approx(16.0)
    assert one.requests_per_s == 25_000
    assert one.busy == pytest.approx(0.5)


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
    measured = ratio(ours, theirs)
    assert (measured.median, measured.low, measured.high) == pytest.approx((2.0, 2.0, 2.0))


def test_rounds_that_do_not_match_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratio(rounds("edgeproxy", [1, 2]), rounds("nginx", [1]))


def test_the_reference_is_nginx_and_else_the_next_best_known() -> None:
    assert reference(["edgeproxy", "haproxy", "nginx"]) == "nginx"
    assert reference(["edgeproxy", "aiohttp", "haproxy"]) == "haproxy"
    assert reference(["edgeproxy"]) == "edgeproxy"


@pytest.mark.parametrize(
    ("ours", "met", "words"),
    [
        ([15, 15, 15], True, "met     1 KiB GET: edgeproxy <= 1.6 x nginx: 1.50"),
        ([17, 17, 17], False, "missed  1 KiB GET: edgeproxy <= 1.6 x nginx: 1.70"),
        ([15, 15, 18], True, "within the noise"),
        ([15, 17, 17], False, "within the noise"),
    ],
)
def test_a_goal_is_met_or_missed_by_the_median(ours: list[float], met: bool, words: str) -> None:
    found = {"edgeproxy": rounds("edgeproxy", ours), "nginx": rounds("nginx", [10, 10, 10])}
    verdict = judge(Goal("get-1k", 1.6, ("nginx",)), found)
    assert verdict.met is met
    assert words in str(verdict)
    assert ("noise" in str(verdict)) == ("noise" in words)


def test_a_goal_is_judged_beside_the_cheapest_that_ran() -> None:
    found = {name: rounds(name, [us]) for name, us in (("edgeproxy", 15), ("nginx", 20), ("haproxy", 10))}
    verdict = judge(Goal("get-1k", 1.0, ("nginx", "haproxy", "caddy")), found)
    assert verdict.beside == "haproxy"
    assert verdict.met is False


@pytest.mark.parametrize("ran", [["edgeproxy"], ["nginx"]])
def test_a_goal_without_one_of_the_two_is_not_measured(ran: list[str]) -> None:
    verdict = judge(Goal("get-1k", 1.6, ("nginx",)), {name: rounds(name, [10]) for name in ran})
    assert verdict.met is None
    assert str(verdict).startswith("not measured")


def test_the_table_has_the_figures_and_who_is_missing() -> None:
    found = {"edgeproxy": rounds("edgeproxy", [15]), "nginx": rounds("nginx", [10])}
    console = Console(width=150, record=True, file=io.StringIO())
    console.print(table(SCENARIOS["get-1k"], found, ["haproxy (no haproxy on this machine)"]))
    shown = console.export_text()
    row = next(line for line in shown.splitlines() if "edgeproxy" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "edgeproxy", "15.0", "13.5", "1.50 [1.50..1.50]", "1,000", "1.0", "2%",
    ]  # fmt: skip
    assert "Left out: haproxy (no haproxy on this machine)." in shown


def test_json_keeps_every_round_and_every_goal() -> None:
    taken = [*rounds("edgeproxy", [15, 16]), *rounds("nginx", [10, 10]), *rounds("nginx", [9], "body-10m")]
    assert by_scenario(taken)["body-10m"].keys() == {"nginx"}
    verdict = judge(Goal("get-1k", 1.6, ("nginx",)), by_scenario(taken)["get-1k"])
    written = json.loads(json.dumps(as_json(taken, [verdict], {"date": "2024-01-01"})))
    assert written["date"] == "2024-01-01"
    scenario = written["scenarios"]["get-1k"]
    assert scenario["reference"] == "nginx"
    assert len(scenario["peers"]["edgeproxy"]["rounds"]) == 2
    assert scenario["peers"]["edgeproxy"]["ratio"]["median"] == pytest.approx(1.55)
    assert written["goals"][0]["met"] is True
