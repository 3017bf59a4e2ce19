"""`python -m bench`: start the peers, run the rounds, print the tables and the goals, leave the JSON."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.closed_loop import WrongAnswer
from bench.launch import StartFailed
from bench.machine import describe
from bench.measure import Cores, ProcessEnded, choose_cores, raise_descriptor_limit
from bench.peers import PEERS, Peer
from bench.report import Verdict, as_json, by_scenario, judge, table
from bench.scenarios import GOALS, SCENARIOS, Plan, Scenario
from bench.suite import Round, running, schedule

RESULTS = Path(__file__).resolve().parent / "results"
FULL = Plan(
    rounds=7, round_s=1.5, warmup_s=0.3, repeats=5, stream_s=3, streams=1000, idle=5000, leaves=200, races=10_000
)
QUICK = Plan(
    rounds=3, round_s=0.4, warmup_s=0.2, repeats=1, stream_s=3, streams=1000, idle=2000, leaves=100, races=1000
)
SPARE_DESCRIPTORS = 500

# Wide enough for the tables where nothing says how wide the terminal is.
console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Few short rounds: does it run, roughly.")] = False,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds a peer and scenario (7; quick: 3).")] = None,
    only: Annotated[
        list[str] | None, typer.Option(help=f"A scenario, may be repeated: {', '.join(SCENARIOS)}.")
    ] = None,
    peers: Annotated[str, typer.Option(help="Comma list of who is measured.")] = ",".join(PEERS),
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where a goal is missed.")] = False,
) -> None:
    """Compare the proxy with nginx, HAProxy, Caddy, Envoy and the aiohttp recipe: CPU, memory, latency, faults."""
    scenarios = _scenarios(only or [])
    chosen = _chosen(peers)
    plan = _fitting(QUICK if quick else FULL, raise_descriptor_limit())
    plan = replace(plan, rounds=rounds or plan.rounds, repeats=rounds or plan.repeats)
    cores = choose_cores()
    if cores.proxy is None:
        console.print("Only one core: nothing is pinned, and the peers share it with load and backend.")
    for peer in chosen:
        if caveat := peer.caveat():
            console.print(f"Warning: {caveat}")
    taken, failures = _measure(scenarios, chosen, plan, cores)
    verdicts = _verdicts(taken, scenarios)
    versions = {peer.name: peer.version() for peer in chosen if not peer.absent(SCENARIOS["get-1k"].setup)}
    context = {"machine": describe(cores), "versions": versions, "failures": failures, "plan": asdict(plan)}
    _save(taken, verdicts, context)
    if failures or (strict and any(verdict.met is False for verdict in verdicts)):
        raise typer.Exit(1)


def _scenarios(names: Sequence[str]) -> list[Scenario]:
    if unknown := [name for name in names if name not in SCENARIOS]:
        raise typer.BadParameter(f"no scenario {unknown[0]!r}; there are {', '.join(SCENARIOS)}")
    return [one for one in SCENARIOS.values() if (one.name in names if names else one.by_default)]


def _chosen(names: str) -> list[Peer]:
    wanted = dict.fromkeys(name.strip() for name in names.split(","))
    if unknown := [name for name in wanted if name not in PEERS]:
        raise typer.BadParameter(f"no peer {unknown[0]!r}; there are {', '.join(PEERS)}")
    return [PEERS[name] for name in wanted]


def _fitting(plan: Plan, descriptors: int) -> Plan:
    """No more connections than we, or a proxy with two for each, may have open."""
    streams = min(plan.streams, max(1, (descriptors - SPARE_DESCRIPTORS) // 2))
    idle = min(plan.idle, max(1, descriptors - SPARE_DESCRIPTORS))
    if (streams, idle) != (plan.streams, plan.idle):
        console.print(f"Only {descriptors} files may be open: {streams} streams and {idle} idle connections.")
    return replace(plan, streams=streams, idle=idle)


def _measure(
    scenarios: Sequence[Scenario], peers: Sequence[Peer], plan: Plan, cores: Cores
) -> tuple[list[Round], list[str]]:
    """The rounds, a table printed for each scenario that is complete, and the names of those that failed."""
    # The default ends us at once, and our children with nobody to end them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    taken: list[Round] = []
    failures: list[str] = []
    for scenario in scenarios:
        if why := scenario.unable():
            console.print(f"{scenario.title}: not measured: {why}.")
            continue
        asked = [peer for peer in peers if peer.name in scenario.peers]
        absent = [f"{peer.name} ({reason})" for peer in asked if (reason := peer.absent(scenario.setup))]
        present = [peer for peer in asked if not peer.absent(scenario.setup)]
        try:
            rounds = _rounds(scenario, present, plan, cores)
        except (WrongAnswer, StartFailed, ProcessEnded, OSError) as error:
            _complain(error)
            failures.append(scenario.name)
            continue
        taken += rounds
        if rounds:
            console.print(table(scenario, by_scenario(rounds)[scenario.name], absent))
    return taken, failures


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


def _verdicts(taken: Sequence[Round], scenarios: Sequence[Scenario]) -> list[Verdict]:
    found, why = by_scenario(taken), {scenario.name: scenario.unable() for scenario in scenarios}
    verdicts = [judge(goal, found.get(name, {}), why[name]) for goal in GOALS if (name := goal.scenario) in why]
    for verdict in verdicts:
        console.print(str(verdict), markup=False, soft_wrap=True)
    return verdicts


def _save(taken: Sequence[Round], verdicts: Sequence[Verdict], context: Mapping[str, Any]) -> None:
    now = datetime.now(UTC)
    written = as_json(taken, verdicts, {"date": now.isoformat(timespec="seconds"), **context})
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"{now:%Y%m%dT%H%M%SZ}.json"
    target.write_text(json.dumps(written, indent=1) + "\n")
    console.print(f"All of it, round by round: {target}", soft_wrap=True)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
