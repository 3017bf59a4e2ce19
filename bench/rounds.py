"""Runs the scenarios over the peers, shows how far it is, and prints a table for each that is complete."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.closed_loop import WrongAnswer
from bench.launch import StartFailed
from bench.measure import Cores, ProcessEnded
from bench.peers import Peer
from bench.report import Verdict, by_scenario, curve_table, judge, table
from bench.scenarios import GOALS, Plan, Scenario
from bench.suite import Round, running, schedule

SPARE_DESCRIPTORS = 500


# Wide enough for the tables where nothing says how wide the terminal is.
console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)


@dataclass(slots=True)
class Taken:
    """The rounds, and the names of the scenarios that failed."""

    rounds: list[Round] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def fitting(plan: Plan, descriptors: int) -> Plan:
    """No more connections than we, or a proxy with two for each, may have open."""
    streams = min(plan.streams, max(1, (descriptors - SPARE_DESCRIPTORS) // 2))
    idle = min(plan.idle, max(1, descriptors - SPARE_DESCRIPTORS))
    if (streams, idle) != (plan.streams, plan.idle):
        console.print(f"Only {descriptors} files may be open: {streams} streams and {idle} idle connections.")
    return replace(plan, streams=streams, idle=idle)


def measure(scenarios: Sequence[Scenario], peers: Sequence[Peer], plan: Plan, cores: Cores) -> Taken:
    # The default ends us at once, and our children with nobody to end them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    taken = Taken()
    for scenario in scenarios:
        if why := scenario.unable():
            console.print(f"{scenario.title}: not measured: {why}.")
            continue
        asked = [peer for peer in peers if peer.name in scenario.peers]
        absent = [f"{peer.name} ({reason})" for peer in asked if (reason := peer.absent(scenario.setup))]
        present = [peer for peer in asked if not peer.absent(scenario.setup)]
        try:
            rounds = _rounds(scenario, present, plan, cores)
        except (WrongAnswer, StartFailed, ProcessEnded, OSError, ExceptionGroup) as error:
            _complain(error)
            taken.failures.append(scenario.name)
            continue
        taken.rounds += rounds
        if rounds and not scenario.curve:
            console.print(table(scenario, by_scenario(rounds)[scenario.name], absent))
    for curve in dict.fromkeys(scenario.curve[0] for scenario in scenarios if scenario.curve):
        console.print(curve_table(curve, by_scenario(taken.rounds)))
    return taken


def _rounds(scenario: Scenario, peers: Sequence[Peer], plan: Plan, cores: Cores) -> list[Round]:
    turns = schedule(peers, scenario.rounds(plan))
    taken: list[Round] = []
    with _progress(scenario, len(turns)) as advance, running(scenario, peers, cores) as bench:
        for name in turns:
            advance(name, len(taken))
            taken.append(bench.measure(name, plan))
    return taken


@contextmanager
def _progress(scenario: Scenario, total: int) -> Iterator[Callable[[str, int], None]]:
    """Drawn between rounds only: during one, a thread that draws would share the core of the load."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        bar = progress.add_task(scenario.name, total=total)

        def advance(peer: str, done: int) -> None:
            progress.update(bar, description=f"{scenario.name}: {peer}", completed=done, refresh=True)

        yield advance


def _complain(error: Exception) -> None:
    notes = getattr(error, "__notes__", ())
    print(f"bench: {type(error).__name__}: {error}", *notes, sep="\n", file=sys.stderr)


def verdicts(taken: Sequence[Round], scenarios: Sequence[Scenario]) -> list[Verdict]:
    found, why = by_scenario(taken), {scenario.name: scenario.unable() for scenario in scenarios}
    judged = [judge(goal, found.get(name, {}), why[name]) for goal in GOALS if (name := goal.scenario) in why]
    for verdict in judged:
        console.print(str(verdict), markup=False, soft_wrap=True)
    return judged
