"""The invariants, phase by phase, and the page with memory and descriptors over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from bench.page import STYLE
from bench.plots import linear, lines
from bench.soak.faults import Fault
from bench.soak.users import CUT, WHOLE, WRONG, Counts
from bench.soak.world import Size

MEMORY_SLACK = 24 * 1024 * 1024
"""Bytes beyond the base line that are no leak: allocators keep what a burst has needed; two processes have two."""
DESCRIPTOR_SLACK = 64
"""Connections to workers that are kept at rest, in two processes."""


@dataclass(frozen=True, slots=True)
class Phase:
    """What one fault did: `twice` are POSTs that were executed more than once, `rest` the edge after it, at rest."""

    fault: Fault
    counts: Counts
    twice: int
    rest: Size
    base: Size
    trouble: str = ""
    """What did not come back when the fault was over."""

    def broken(self) -> Iterator[str]:
        """The invariants that did not hold, in words."""
        if wrong := self.counts.of(WRONG):
            yield f"{wrong} answers passed as whole, or with bytes of another"
        if self.twice:
            yield f"{self.twice} POSTs executed twice"
        # What a worker has begun and left cannot be begun again by another: the client has a part of it.
        failed = self.counts.failed("GET", "PUT", but=CUT if self.fault.streams else WHOLE)
        if failed and not self.fault.excuses:
            yield f"{failed} idempotent requests failed while workers lived"
        streams = self.counts.failed("stream")
        if streams and not self.fault.streams:
            yield f"{streams} streams broken"
        if self.trouble:
            yield self.trouble
        yield from self._grown()

    def _grown(self) -> Iterator[str]:
        if self.rest.memory > self.base.memory + MEMORY_SLACK:
            yield f"{(self.rest.memory - self.base.memory) / 2**20:.0f} MiB more than before"
        if self.rest.descriptors > self.base.descriptors + DESCRIPTOR_SLACK:
            yield f"{self.rest.descriptors - self.base.descriptors} descriptors more than before"
        if self.rest.processes != self.base.processes:
            yield f"{self.rest.processes} processes instead of {self.base.processes}"

    def __str__(self) -> str:
        broken = "; ".join(self.broken())
        results = self.counts.results
        asked = sum(results.values())
        failed = {kind: self.counts.failed(kind) for kind in ("GET", "PUT", "POST", "stream")}
        told = ", ".join(f"{count} {kind}" for kind, count in failed.items() if count) or "nothing"
        return f"{'BROKEN' if broken else 'held':<6}  {self.fault.name}: {asked:,} asked, failed: {told}" + (
            f": {broken}" if broken else ""
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """The edge at a moment, in seconds from the start."""

    at: float
    size: Size


def page(title: str, phases: Sequence[Phase], samples: Sequence[Sample]) -> str:
    rows = "".join(
        f'<tr><td>{escape(phase.fault.name)}</td><td class="{"missed" if any(phase.broken()) else "met"}">'
        f"{escape('; '.join(phase.broken()) or 'held')}</td><td>{escape(str(phase))}</td></tr>"
        for phase in phases
    )
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    table = f"<table><tr><th>fault</th><th>invariants</th><th></th></tr>{rows}</table>"
    plots = f'<div class="plots">{"".join(_plots(samples))}</div>'
    top = f"<h1>{escape(title)}</h1>"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{top}{plots}{table}</body></html>\n'


def _plots(samples: Sequence[Sample]) -> Iterator[str]:
    if len(samples) < 2:
        return
    end = samples[-1].at
    ticks = {end * part: f"{end * part / 60:.1f}" for part in (0, 0.25, 0.5, 0.75, 1)}
    memory = {"edgeproxy": [(sample.at, sample.size.memory / 2**20) for sample in samples]}
    descriptors = {"edgeproxy": [(sample.at, float(sample.size.descriptors)) for sample in samples]}
    scale = linear(0, end)
    yield lines("memory of all processes", "minutes", "MiB (PSS)", memory, ticks, scale)
    yield lines("open descriptors of all processes", "minutes", "descriptors", descriptors, ticks, scale)
