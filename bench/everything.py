"""`python -m bench all`: every part of the bench, one after the other, and the page with every goal.

Each part is a program of its own, so that one that fails takes no other with it. What a part cannot do here (no
Redis, no namespaces) is missing from the page, which says the command that measures it.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Annotated

import typer

from bench import results
from bench.launch import ROOT
from bench.rounds import console

MOST_S = 3600.0
"""Of one part: far beyond what the longest takes."""

PEERS = "peers"
Call = Callable[[list[str]], int]


def commands(goals: Iterable[results.Goal], quick: bool) -> list[str]:
    """Each once. The peers come last: that run writes the page, with what the others have left."""
    wanted = {(goal.quick if quick else goal.command): goal.part for goal in goals if not goal.apart}
    return sorted(wanted, key=lambda command: wanted[command] == PEERS)


def main(
    quick: Annotated[bool, typer.Option("--quick", help="The short form of each part.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where a goal is missed.")] = False,
) -> None:
    """Every part of the bench, then the page. Exit code 1 where a part could not be run."""
    wanted = list(results.goals())
    failed = run(commands(wanted, quick), call)
    found = results.outcomes()
    for command in failed:
        console.print(f"failed: {command}", markup=False)
    missed = [goal.name for goal in wanted if goal.name in found and found[goal.name].met is False]
    if failed or (strict and missed):
        raise typer.Exit(1)


def run(chosen: list[str], call: Call) -> list[str]:
    """The commands that failed: 1 is a goal that was missed, others are more than that."""
    failed = []
    for number, command in enumerate(chosen, 1):
        console.rule(f"{number} of {len(chosen)}: {command}")
        started = monotonic()
        code = call(shlex.split(command))
        console.print(f"({monotonic() - started:.0f} s)")
        failed += [f"{command}: exit code {code}"] if code not in (0, 1) else []
    return failed


def call(command: list[str]) -> int:
    """In its own process, with our terminal: it shows how far it is."""
    program = subprocess.Popen([sys.executable, *command[1:]], cwd=ROOT)
    try:
        return program.wait(MOST_S)
    except BaseException:
        program.terminate()
        program.wait(30)
        raise
