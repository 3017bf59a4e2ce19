"""One HTML page of a run, self-contained: goals of every part, figures beside the peers, curves, the machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from itertools import groupby
from typing import Any

from bench.open_loop import SHARES
from bench.plots import bars, lines, logarithmic, tail
from bench.results import Goal, Outcome, Result

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1360px; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ddd; }
table { border-collapse: collapse; margin: 1rem 0; } td, th { padding: .25rem .7rem; text-align: left;
border-bottom: 1px solid #eee; vertical-align: top; } td.n, th.n { text-align: right; }
.met { color: #0b6e4f; } .missed { color: #b3261e; font-weight: 600; } .none { color: #777; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(420px, 1fr)); gap: 1rem; }
figure { margin: 0; } figcaption { font-weight: 600; } svg { width: 100%; font: 11px system-ui, sans-serif; }
.axis { stroke: #444; fill: none; } .grid { stroke: #e6e6e6; } .whisker { stroke: #222; stroke-width: 1.5; }
.goals { table-layout: fixed; width: 100%; } .goals th { padding-top: 1rem; }
.goals th[colspan] { background: #fafafa; } td { overflow-wrap: anywhere; } small { color: #777; }
code { background: #f4f4f4; padding: 0 .25rem; } .wide { overflow-x: auto; }
"""
CURVES = {
    "connections": ("connections", "as connections grow"),
    "body": ("bytes of the body", "as bodies grow"),
    "workers": ("workers", "as workers grow"),
}
BARS = {"cpu_us": "CPU us", "kib": "KiB", "p99_ms": "p99 ms"}
COLUMNS = "<colgroup><col style='width: 8rem'><col style='width: 46%'><col></colgroup>"
MET = {True: "met", False: "missed", None: "not measured"}
CLASS = {True: "met", False: "missed", None: "none"}


def page(result: Result, goals: Iterable[Goal], others: Mapping[str, Outcome]) -> str:
    """`others` are the outcomes of parts that are not a run of the peers."""
    known = {one["goal"]["name"]: _outcome(one) for one in result["goals"]} | dict(others)
    body = "".join(
        [
            f"<h1>edgeproxy: measured {escape(str(result.get('date', '')))}</h1>",
            _machine(result),
            "<h2>Goals</h2>",
            _goals(list(goals), known),
            "<h2>Beside the peers</h2>",
            f'<div class="plots">{"".join(_plots(result["scenarios"]))}</div>',
            "<h2>Figures</h2>",
            *_tables(result["scenarios"]),
        ]
    )
    head = f'<meta charset="utf-8"><title>edgeproxy bench</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _outcome(verdict: Mapping[str, Any]) -> Outcome:
    measured = verdict["measured"]
    if measured is None:
        return Outcome(verdict["goal"]["name"], str(verdict["why"]), None)
    beside = f" x {verdict['beside']}" if verdict["beside"] else ""
    words = f"{measured['median']:.2f}{beside} [{measured['low']:.2f}..{measured['high']:.2f}]"
    return Outcome(verdict["goal"]["name"], words, verdict["met"])


def _machine(result: Result) -> str:
    rows = [(name, value) for name, value in result.get("machine", {}).items() if value is not None]
    rows += [(name, value) for name, value in result.get("versions", {}).items()]
    cells = "".join(f"<tr><td>{escape(str(name))}</td><td>{escape(_plain(value))}</td></tr>" for name, value in rows)
    return f"<details open><summary>Machine and versions</summary><table>{cells}</table></details>"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: core {core}" for name, core in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(f"{one:.2f}" if isinstance(one, float) else str(one) for one in value)
    return str(value)


def _goals(goals: list[Goal], known: Mapping[str, Outcome]) -> str:
    shown = {goal.name: known.get(goal.name, Outcome(goal.name, "", None)) for goal in goals}
    met = [one.met for one in shown.values()]
    counts = f"{met.count(True)} met, {met.count(False)} missed, {met.count(None)} not measured here."
    parts = [_area(area, list(alike), shown) for area, alike in groupby(goals, key=lambda goal: goal.area)]
    return f"<p>{counts}</p>{_missed(goals, shown)}<table class='goals'>{COLUMNS}{''.join(parts)}</table>"


def _missed(goals: list[Goal], shown: Mapping[str, Outcome]) -> str:
    """First what one looks for first."""
    rows = [f"<li>{escape(goal.text)}</li>" for goal in goals if shown[goal.name].met is False]
    return f"<details><summary>What is missed</summary><ul>{''.join(rows)}</ul></details>" if rows else ""


def _area(area: str, goals: list[Goal], shown: Mapping[str, Outcome]) -> str:
    head = f"<tr><th colspan='3'>{escape(area)} <code>{escape(goals[0].command)}</code></th></tr>"
    return head + "".join(_goal(goal, shown[goal.name]) for goal in goals)


def _goal(goal: Goal, outcome: Outcome) -> str:
    if not outcome.measured:
        measured = f"run <code>{escape(goal.command)}</code>"
    else:
        date = f" <small>{escape(outcome.date[:16].replace('T', ' '))}</small>" if outcome.date else ""
        measured = escape(outcome.measured) + date
    verdict = f'<td class="{CLASS[outcome.met]}">{MET[outcome.met]}</td>'
    return f"<tr>{verdict}<td>{escape(goal.text)}</td><td>{measured}</td></tr>"


def _plots(scenarios: Mapping[str, Any]) -> Iterator[str]:
    if "latency" in scenarios:
        yield _latency(scenarios["latency"])
    for curve, (across, title) in CURVES.items():
        yield _curve(curve, across, title, scenarios)
    for scenario in scenarios.values():
        figures = next(iter(scenario["peers"].values()))["figures"]
        if not scenario["curve"] and (shown := next((name for name in BARS if name in figures), None)):
            values = {peer: _interval(own["figures"][shown]) for peer, own in scenario["peers"].items()}
            yield bars(scenario["title"], BARS[shown], values)


def _latency(scenario: Mapping[str, Any]) -> str:
    shares = [share for share in SHARES if share < 99.999]
    series = {
        peer: [(share, own["figures"][f"p{share:g}"]["median"]) for share in shares]
        for peer, own in scenario["peers"].items()
    }
    ticks = {50.0: "50 %", 90.0: "90 %", 99.0: "99 %", 99.9: "99.9 %", 99.99: "99.99 %"}
    return lines(f"{scenario['title']}: latency by percentile", "percentile", "ms", series, ticks, tail)


def _curve(curve: str, across: str, title: str, scenarios: Mapping[str, Any]) -> str:
    points = sorted((one["curve"][1], one) for one in scenarios.values() if one["curve"] and one["curve"][0] == curve)
    series: dict[str, list[tuple[float, float]]] = {}
    for at, scenario in points:
        for peer, own in scenario["peers"].items():
            series.setdefault(peer, []).append((at, own["figures"]["cpu_us"]["median"]))
    if len(points) < 2:
        return ""
    scale = logarithmic(points[0][0], points[-1][0])
    ticks = {at: _short(at) if curve == "body" else f"{at:g}" for at, _ in points}
    return lines(f"CPU a request {title}", across, "CPU us/request", series, ticks, scale)


def _short(value: float) -> str:
    for unit, size in (("Mi", 1 << 20), ("Ki", 1 << 10)):
        if value >= size and value % size == 0:
            return f"{value / size:g} {unit}"
    return f"{value:g}"


def _interval(estimate: Mapping[str, float]) -> tuple[float, float, float]:
    return estimate["median"], estimate["low"], estimate["high"]


def _tables(scenarios: Mapping[str, Any]) -> Iterator[str]:
    for name, scenario in scenarios.items():
        figures = list(next(iter(scenario["peers"].values()))["figures"])
        head = "".join(f'<th class="n">{escape(figure)}</th>' for figure in ["ratio", *figures])
        rows = "".join(_row(peer, own, figures) for peer, own in scenario["peers"].items())
        beside = f" (ratio to {escape(scenario['reference'])})" if scenario["compared"] else ""
        yield (
            f"<details><summary>{escape(scenario['title'])} <code>{escape(name)}</code>{beside}</summary>"
            f'<div class="wide"><table><tr><th>peer</th>{head}</tr>{rows}</table></div></details>'
        )


def _row(peer: str, own: Mapping[str, Any], figures: list[str]) -> str:
    ratio = f"{own['ratio']['median']:.2f}" if own["ratio"] else ""
    cells = [ratio, *(f"{own['figures'][figure]['median']:,.4g}" for figure in figures)]
    return f"<tr><td>{escape(peer)}</td>{_numbers(cells)}</tr>"


def _numbers(cells: Iterable[str]) -> str:
    return "".join(f'<td class="n">{cell}</td>' for cell in cells)
