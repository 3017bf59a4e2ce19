"""`python -m bench`: start the peers, run the rounds, print the tables and the goals, leave the JSON."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.generator import WrongAnswer
from bench.launch import StartFailed
from bench.machine import describe
from bench.measure import Cores, ProcessEnded, choose_cores
from bench.peers import PEERS, Peer
from bench.report import Verdict, as_json, by_scenario, judge, table
from bench.scenarios import GOALS, SCENARIOS, Scenario
from bench.suite import Plan, Round, Turn, running, schedule

RESULTS = Path(__file__).resolve().parent / "results"
FULL = Plan(rounds=7, round_s=2.0, warmup_s=0.5)
QUICK = Plan(rounds=3, round_s=0.5, warmup_s=0.2)

# Wide enough for the tables where nothing says how wide the terminal is.
console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)


def main(
    quick: Annotated[bool, typer.Option("--quick", help="3 short rounds: does it run, roughly.")] = False,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds a peer and scenario (7; quick: 3).")] = None,
    only: Annotated[
        list[str] | None, typer.Option(help=f"A scenario, may be repeated: {', '.join(SCENARIOS)}.")
    ] = None,
    peers: Annotated[str, typer.Option(help="Comma list of who is measured.")] = ",".join(PEERS),
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where a goal is missed.")] = False,
) -> None:
    """Compare the proxy with nginx, HAProxy and the aiohttp recipe: CPU a request, throughput."""
    scenarios = _scenarios(only or [])
    plan = QUICK if quick else FULL
    plan = Plan(rounds or plan.rounds, plan.round_s, plan.warmup_s)
    chosen = _chosen(peers)
    absent = [f"{peer.name} ({reason})" for peer in chosen if (reason := peer.absent())]
    present = [peer for peer in chosen if not peer.absent()]
    if not present:
        raise typer.BadParameter("none of these peers is on this machine")
    cores = choose_cores()
    if cores.proxy is None:
        console.print("Only one core: nothing is pinned, and the peers share it with load and backend.")
    try:
        taken = _measure(present, schedule(scenarios, present, plan.rounds), plan, cores)
    except (WrongAnswer, StartFailed, ProcessEnded, OSError) as error:
        _complain(error)
        raise typer.Exit(1) from None
    verdicts = _show(taken, absent)
    versions = {peer.name: peer.version() for peer in present}
    context = {"machine": describe(cores), "versions": versions, "absent": absent, "plan": asdict(plan)}
    _save(taken, verdicts, context)
    if strict and any(verdict.met is False for verdict in verdicts):
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


def _measure(peers: Sequence[Peer], turns: Sequence[Turn], plan: Plan, cores: Cores) -> list[Round]:
    # The default ends us at once, and our children with nobody to end them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # Drawn between rounds only: during one, a thread that draws would share the core of the load.
    with (
        Progress(*columns, console=console, auto_refresh=False, transient=True) as progress,
        running(peers, cores) as bench,
    ):
        bar = progress.add_task("", total=len(turns))
        taken: list[Round] = []
        for scenario, name in turns:
            progress.update(bar, description=f"{scenario.name}: {name}", completed=len(taken), refresh=True)
            taken.append(bench.measure((scenario, name), plan))
        return taken


def _complain(error: Exception) -> None:
    notes = getattr(error, "__notes__", ())
    print(f"bench: {type(error).__name__}: {error}", *notes, sep="\n", file=sys.stderr)


def _show(taken: Sequence[Round], absent: Sequence[str]) -> list[Verdict]:
    found = by_scenario(taken)
    for name, rounds in found.items():
        console.print(table(SCENARIOS[name], rounds, absent))
    verdicts = [judge(goal, found[goal.scenario]) for goal in GOALS if goal.scenario in found]
    for verdict in verdicts:
        console.print(str(verdict), markup=False)
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
