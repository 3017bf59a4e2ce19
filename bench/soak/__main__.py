"""`python -m bench.soak chaos` and `soak`: faults under load, and what held."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from time import monotonic
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench.launch import StartFailed
from bench.measure import raise_descriptor_limit
from bench.results import RESULTS, Outcome, leave_outcomes
from bench.rounds import console
from bench.soak.faults import FAULTS, SPECIAL
from bench.soak.report import page
from bench.soak.run import Run

CHAOS_MINUTES, SOAK_MINUTES = 10.0, 60.0
KNOWN = {fault.name: fault for fault in (*FAULTS, *SPECIAL)}
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Seed = Annotated[int, typer.Option(help="The same seed, the same mixture.")]


@app.command()
def chaos(
    minutes: Annotated[float, typer.Option(min=0.1, max=24 * 60, help="How long, mixture included.")] = CHAOS_MINUTES,
    seed: Seed = 1,
    only: Annotated[list[str] | None, typer.Option(help="Names of faults, in place of all and their mixture.")] = None,
) -> None:
    """Each fault by itself, then mixed by seed until the time is over."""
    if unknown := [name for name in only or [] if name not in KNOWN]:
        raise typer.BadParameter(f"no fault {unknown[0]!r}; there are {', '.join(KNOWN)}")

    chosen = [KNOWN[name] for name in only] if only else list(KNOWN.values())
    for fault in chosen:
        if why := fault.unable():
            console.print(f"{fault.name}: not made: {why}", markup=False)

    async def work(run: Run) -> None:
        await run.each(chosen)
        if not only:
            await run.mixed(run.started + minutes * 60)

    run = _run("chaos", minutes, seed, work)
    _conclude("chaos", run, None if only else _outcome("chaos", run, minutes, CHAOS_MINUTES))


@app.command()
def soak(
    minutes: Annotated[float, typer.Option(min=0.1, max=24 * 60, help="How long.")] = SOAK_MINUTES, seed: Seed = 1
) -> None:
    """Mixed faults for an hour; the page plots memory and descriptors."""

    async def work(run: Run) -> None:
        await run.mixed(run.started + minutes * 60)

    run = _run("soak", minutes, seed, work)
    _conclude("soak", run, _outcome("soak", run, minutes, SOAK_MINUTES))


def _run(name: str, minutes: float, seed: int, work: Callable[[Run], Coroutine[Any, Any, None]]) -> Run:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    raise_descriptor_limit()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(name, total=minutes * 60)
        run = Run(seed, lambda doing: None)

        def tell(doing: str) -> None:
            if run.phases:
                progress.console.print(str(run.phases[-1]), markup=False, soft_wrap=True)
            progress.update(bar, description=f"{name}: {doing}", completed=monotonic() - run.started)

        run.tell = tell
        try:
            asyncio.run(work(run))
        except StartFailed as error:
            print(f"bench: {error}", file=sys.stderr)
            raise typer.Exit(1) from None
    return run


def _outcome(name: str, run: Run, minutes: float, asked: float) -> Outcome:
    """A run that is shorter than the goal asks for can miss it, not meet it."""
    broken = [phase.fault.name for phase in run.phases if any(phase.broken())]
    words = f"{len(run.phases) - len(broken)} of {len(run.phases)} phases held in {minutes:g} minutes"
    met = False if broken else True if minutes >= asked else None
    return Outcome(f"{name}-invariants", "; ".join([words, *broken[:5]]), met)


def _conclude(name: str, run: Run, outcome: Outcome | None) -> None:
    for phase in run.phases[-1:]:
        console.print(str(phase), markup=False, soft_wrap=True)
    broken = [phase for phase in run.phases if any(phase.broken())]
    for phase in broken:
        console.print(f"{phase.fault.name}:", *phase.counts.notes[:5], sep="\n  ", markup=False)
    RESULTS.mkdir(parents=True, exist_ok=True)
    target = RESULTS / f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.html"
    target.write_text(page(f"{name}, seed {run.seed}: {len(run.phases)} phases", run.phases, run.samples))
    held = len(run.phases) - len(broken)
    console.print(f"{held} of {len(run.phases)} phases held every invariant. The page: {target}", soft_wrap=True)
    if outcome:
        leave_outcomes("soak", [outcome])
    if broken:
        raise typer.Exit(1)


if __name__ == "__main__":
    app(prog_name="python -m bench.soak")
