"""What every scenario is: whom it measures, how they are set up, which figures a round gives, how they are shown."""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from bench.peers import Setup, lacks

KIB = 1024
MIB = 1024 * KIB

Figures = Mapping[str, float]
"""What a round found, by name; the unit is a part of the name or of the column's heading."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything; durations in seconds. `repeats` are the rounds of what compares no CPU times."""

    rounds: int
    round_s: float
    warmup_s: float
    repeats: int
    stream_s: int
    streams: int
    idle: int
    leaves: int
    races: int
    rate: int = 2000
    """Requests a second of the open loop."""
    curve_rounds: int = 3
    curve_round_s: float = 0.4


@dataclass(frozen=True, slots=True)
class Target:
    """A peer that serves. `resting` is its memory in bytes before the first round; `tls` is None where it has none."""

    pid: int
    port: int
    upstream_port: int
    resting: int
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """How a figure is shown: `form` is a format of it."""

    figure: str
    heading: str
    form: str = "{:,.1f}"


class Scenario(ABC):
    """`compared` is the figure whose ratios to the reference the table has, if any. `curve` is the name of the curve
    of which this is a point, and where on it the point is."""

    name: str
    title: str
    peers: tuple[str, ...]
    setup: Setup
    columns: tuple[Column, ...]
    compared: str | None = None
    by_default: bool = True
    curve: tuple[str, float] | None = None

    def rounds(self, plan: Plan) -> int:
        return plan.repeats

    def unable(self) -> str | None:
        """Why it would say nothing of edgeproxy as it is; None where it does."""
        return f"edgeproxy has no {' and no '.join(lacking)} yet" if (lacking := lacks(self.setup)) else None

    @abstractmethod
    async def measure(self, target: Target, plan: Plan) -> Figures:
        """One round. Raises WrongAnswer, ProcessEnded or OSError."""

    def column(self, figure: str) -> Column:
        return next(column for column in self.columns if column.figure == figure)


@dataclass(frozen=True, slots=True)
class Goal:
    """`figure` of `peer` is at most `at_most`; with `against`, that many times what the best of those needs."""

    scenario: str
    figure: str
    at_most: float
    against: tuple[str, ...] = ()
    peer: str = "edgeproxy"
    name: str = ""
    """In `goals.toml`."""
