"""Two runs beside each other: what is a regression, what an improvement, and what is noise.

Compared are ratios to the reference peer of the same run, since times differ between machines and days; of figures
without such a ratio, the figures. A change counts where the intervals of the two runs have nothing in common and the
medians differ by more than THRESHOLD.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from bench.results import Result

THRESHOLD = 0.05
WORSE, BETTER, SAME = "worse", "better", "noise"
COMPARED = ("kib", "p99_ms", "added_p99_ms", "get_errors", "declared_errors", "post_not_502", "post_twice")
"""Figures that are held beside each other where a scenario has no ratio; less is better."""


@dataclass(frozen=True, slots=True)
class Change:
    scenario: str
    figure: str
    before: Mapping[str, float]
    after: Mapping[str, float]

    @property
    def by(self) -> float:
        """Of the median: 0.1 is a tenth more."""
        before, after = self.before["median"], self.after["median"]
        if before == after:
            return 0.0
        return after / before - 1 if before else float("inf")

    @property
    def kind(self) -> str:
        if self.after["low"] > self.before["high"] and self.by > THRESHOLD:
            return WORSE
        if self.after["high"] < self.before["low"] and self.by < -THRESHOLD:
            return BETTER
        return SAME


def changes(before: Result, after: Result, peer: str = "edgeproxy") -> Iterator[Change]:
    """Of every scenario in which both have this peer, with the same reference."""
    for name, new in after["scenarios"].items():
        old = before["scenarios"].get(name)
        if not old or peer not in old["peers"] or peer not in new["peers"]:
            continue
        was, now = old["peers"][peer], new["peers"][peer]
        if was["ratio"] and now["ratio"] and old["reference"] == new["reference"] != peer:
            yield Change(name, f"{new['compared']} x {new['reference']}", was["ratio"], now["ratio"])
        for figure in _uncompared(new, was, now):
            yield Change(name, figure, was["figures"][figure], now["figures"][figure])


def _uncompared(scenario: Mapping[str, Any], was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    both = was["figures"].keys() & now["figures"].keys()
    return [figure for figure in COMPARED if figure in both and figure != scenario["compared"]]


def table(found: list[Change]) -> Table:
    shown = Table(title="before and after", title_justify="left")
    for heading in ("scenario", "figure", "before", "after", "change", ""):
        shown.add_column(heading, justify="right" if heading in ("before", "after", "change") else "left")
    for change in found:
        cells = [f"{one['median']:.2f} [{one['low']:.2f}..{one['high']:.2f}]" for one in (change.before, change.after)]
        shown.add_row(change.scenario, change.figure, *cells, f"{change.by:+.0%}", change.kind)
    return shown
