"""The lines of a report: what was measured, how it compares, whether that is what was asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.results import Outcome


@dataclass(frozen=True, slots=True)
class Line:
    """`goal`: its name in `goals.toml`, of which there may be several lines."""

    what: str
    value: str
    compared: str = ""
    met: bool | None = None
    goal: str = ""

    def __str__(self) -> str:
        verdict = "" if self.met is None else "met" if self.met else "MISSED"
        return f"{self.what:58} {self.value:>18} {self.compared:>14}  {verdict}"


def outcomes(lines: Iterable[Line]) -> list[Outcome]:
    """A goal is met where all its lines are."""
    by_goal: dict[str, list[Line]] = {}
    for line in lines:
        if line.goal:
            by_goal.setdefault(line.goal, []).append(line)
    return [
        Outcome(goal, "; ".join(_words(line) for line in own), all(line.met is not False for line in own))
        for goal, own in by_goal.items()
    ]


def _words(line: Line) -> str:
    return f"{line.what}: {line.value}" + (f" ({line.compared})" if line.compared else "")
