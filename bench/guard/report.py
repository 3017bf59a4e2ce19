"""The lines of a report: what was measured, how it compares, whether that is what was asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    what: str
    value: str
    compared: str = ""
    met: bool | None = None

    def __str__(self) -> str:
        verdict = "" if self.met is None else "met" if self.met else "MISSED"
        return f"{self.what:58} {self.value:>18} {self.compared:>14}  {verdict}"
