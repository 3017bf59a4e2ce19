"""`python -m bench.guard`: cost, exactness and slow attacks, with what was asked for beside what was found."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from bench.guard import cost, exact, keys, slow
from bench.guard.edges import place
from bench.guard.report import Line, outcomes
from bench.measure import pinned, raise_descriptor_limit
from bench.results import leave_outcomes

KINDS = ("cost", "exact", "keys", "slow")


def main(
    only: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(KINDS)}; may be repeated.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each kind of request.")] = 7,
    seconds: Annotated[
        float, typer.Option(min=0.2, help="Seconds of a round; the others take ten times as long.")
    ] = 1.0,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where a goal is missed.")] = False,
) -> None:
    """Measure the guard: CPU per request, exactness of limits, memory under varied keys, slow attacks."""
    raise_descriptor_limit()
    chosen = only or list(KINDS)
    if unknown := set(chosen) - set(KINDS):
        print(f"error: {', '.join(unknown)} is none of {', '.join(KINDS)}", file=sys.stderr)
        raise typer.Exit(2)
    with tempfile.TemporaryDirectory() as directory:
        lines = uvloop.run(_measure(Path(directory), chosen, rounds, seconds))
    leave_outcomes("guard", outcomes(lines))
    if strict and any(line.met is False for line in lines):
        raise typer.Exit(1)


async def _measure(directory: Path, chosen: list[str], rounds: int, seconds: float) -> list[Line]:
    lines: list[Line] = []

    def show(*found: Line) -> None:
        lines.extend(found)
        print(*found, sep="\n", flush=True)

    if "keys" in chosen:
        show(*keys.measure())
    with place(directory) as where, pinned(where.cores.load):
        if "cost" in chosen:
            show(*await cost.measure(where, rounds, seconds))
        if "exact" in chosen:
            show(await exact.processes(where, 10 * seconds), await exact.machines(where, 10 * seconds))
        if "slow" in chosen:
            show(*await slow.measure(where, 10 * seconds))
        await asyncio.sleep(0)
    return lines


if __name__ == "__main__":
    typer.run(main)
