"""`python -m bench users`: the locust files against a fleet of their own, targets met or missed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench import results
from bench.launch import StartFailed
from bench.rounds import console
from bench.users import SCENARIOS
from bench.users.run import Load, run, serving


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Which: {', '.join(SCENARIOS)} (all).")] = None,
    users: Annotated[int, typer.Option(min=1, max=1000, help="How many at once.")] = 20,
    seconds: Annotated[int, typer.Option(min=5, max=3600, help="How long each.")] = 30,
    host: Annotated[str | None, typer.Option(help="URL of an edge, or coordinator, that runs already.")] = None,
) -> None:
    """Users and machines as locust files, each with its targets. Exit code 1 where a target is missed."""
    chosen = names or list(SCENARIOS)
    if unknown := [name for name in chosen if name not in SCENARIOS]:
        raise typer.BadParameter(f"no users {unknown[0]!r}; there are {', '.join(SCENARIOS)}")
    outcomes = [_measured(name, Load(users, seconds), host) for name in chosen]
    results.leave_outcomes("users", outcomes)
    if not all(outcome.met for outcome in outcomes):
        raise typer.Exit(1)


def _measured(name: str, load: Load, host: str | None) -> results.Outcome:
    try:
        found = _run(name, load, host)
    except StartFailed as error:
        print(f"bench: {error}", file=sys.stderr)
        return results.Outcome(name, "the fleet did not come up", None)
    if not found["targets"]:
        print(found["output"], file=sys.stderr)
        return results.Outcome(name, "locust did not run", None)
    console.print(f"{name}: {load.users} users, {load.seconds} s")
    for target in found["targets"]:
        console.print(f"  {'met' if target['met'] else 'missed':<6}  {_words(target)}", markup=False)
    missed = [_words(target) for target in found["targets"] if not target["met"]]
    said = "; ".join(missed) or f"all {len(found['targets'])} targets, {load.users} users for {load.seconds} s"
    return results.Outcome(name, said, not missed)


def _words(target: dict[str, Any]) -> str:
    measured = target["measured"]
    return f"{target['target']}: " + ("nothing measured" if measured is None else f"{measured:.4g} ms")


def _run(name: str, load: Load, host: str | None) -> dict[str, Any]:
    with progress(name, load.seconds) as tick:
        if host:
            return run(name, load, host, tick)
        with serving(name, tick) as (url, _):
            return run(name, load, url, tick)


@contextmanager
def progress(name: str, seconds: int) -> Iterator[Callable[[str], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        bar = progress.add_task(name, total=seconds)

        def tick(doing: str) -> None:
            done = 0.5 if doing == "running" else 0
            progress.update(bar, description=f"{name}: {doing}", advance=done, refresh=True)

        yield tick
