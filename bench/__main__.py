"""`python -m bench`: start the peers, run the rounds, print the tables and the goals, leave JSON and a page.

`python -m bench COMMAND --help` says more of the others: all, users, compare, page, ci, success.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from bench import compare as comparing
from bench import everything, results, short, success
from bench.machine import describe
from bench.measure import choose_cores, raise_descriptor_limit
from bench.page import page
from bench.peers import PEERS, Peer
from bench.report import as_json
from bench.rounds import console, fitting, measure, verdicts
from bench.scenarios import SCENARIOS, Plan, Scenario
from bench.users import command as users

FULL = Plan(
    rounds=7, round_s=1.5, warmup_s=0.3, repeats=5, stream_s=3, streams=1000, idle=5000, leaves=200, races=10_000
)
QUICK = Plan(
    rounds=3, round_s=0.4, warmup_s=0.2, repeats=1, stream_s=3, streams=1000, idle=2000, leaves=100, races=1000
)

NAMES = [name for name, scenario in SCENARIOS.items() if not scenario.curve]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command("users")(users.main)
app.command("all")(everything.main)
app.command("ci")(short.main)
app.command("success")(success.main)


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    quick: Annotated[bool, typer.Option("--quick", help="Few short rounds: does it run, roughly.")] = False,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds a peer and scenario (7; quick: 3).")] = None,
    only: Annotated[list[str] | None, typer.Option(help=f"A scenario, may be repeated: {', '.join(NAMES)}.")] = None,
    curves: Annotated[
        bool | None, typer.Option(help="How costs grow with connections, bodies, workers (not with --quick, --only).")
    ] = None,
    peers: Annotated[str, typer.Option(help="Comma list of who is measured.")] = ",".join(PEERS),
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where a goal is missed.")] = False,
) -> None:
    """Compare the proxy with nginx, HAProxy, Caddy, Envoy and the aiohttp recipe: CPU, memory, latency, faults."""
    if context.invoked_subcommand:
        return
    wanted_curves = curves if curves is not None else not (quick or only)
    scenarios, chosen = _scenarios(only or [], wanted_curves), _chosen(peers)
    plan = fitting(QUICK if quick else FULL, raise_descriptor_limit())
    plan = replace(plan, rounds=rounds or plan.rounds, repeats=rounds or plan.repeats)
    cores = choose_cores()
    _warn(chosen, cores.proxy)
    taken = measure(scenarios, chosen, plan, cores)
    judged = verdicts(taken.rounds, scenarios)
    versions = {peer.name: peer.version() for peer in chosen if not peer.absent(SCENARIOS["get-1k"].setup)}
    circumstances = {"machine": describe(cores), "versions": versions, "failures": taken.failures}
    _leave(as_json(taken.rounds, judged, _dated({**circumstances, "plan": asdict(plan)})))
    if taken.failures or (strict and any(verdict.met is False for verdict in judged)):
        raise typer.Exit(1)


@app.command()
def compare(before: Path, after: Path) -> None:
    """Two results: what is a regression, what noise. Exit code 1 where something is worse."""
    try:
        found = list(comparing.changes(results.read(before), results.read(after)))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from None
    console.print(comparing.table(found))
    if any(change.kind == comparing.WORSE for change in found):
        raise typer.Exit(1)


@app.command("page")
def write_page(
    result: Annotated[Path | None, typer.Argument(help="Of a run of the peers (the latest).")] = None,
) -> None:
    """Write the HTML page again, with what other parts have left since."""
    chosen = result or results.latest()
    if chosen is None:
        raise typer.BadParameter("there is no result yet: run `python -m bench`")
    try:
        _write_page(results.read(chosen), chosen)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from None


def _scenarios(names: Sequence[str], curves: bool) -> list[Scenario]:
    if unknown := [name for name in names if name not in SCENARIOS]:
        raise typer.BadParameter(f"no scenario {unknown[0]!r}; there are {', '.join(NAMES)}")
    return [
        one
        for one in SCENARIOS.values()
        if one.name in names or (curves if one.curve else one.by_default and not names)
    ]


def _chosen(names: str) -> list[Peer]:
    wanted = dict.fromkeys(name.strip() for name in names.split(","))
    if unknown := [name for name in wanted if name not in PEERS]:
        raise typer.BadParameter(f"no peer {unknown[0]!r}; there are {', '.join(PEERS)}")
    return [PEERS[name] for name in wanted]


def _warn(peers: Sequence[Peer], core: int | None) -> None:
    if core is None:
        console.print("Only one core: nothing is pinned, and the peers share it with load and backend.")
    for peer in peers:
        if caveat := peer.caveat():
            console.print(f"Warning: {caveat}")


def _dated(circumstances: dict[str, Any]) -> dict[str, Any]:
    return {"date": datetime.now(UTC).isoformat(timespec="seconds"), **circumstances}


def _leave(written: results.Result) -> None:
    target = results.leave(written)
    console.print(f"All of it, round by round: {target}", soft_wrap=True)
    _write_page(written, target)


def _write_page(written: results.Result, beside: Path) -> None:
    target = beside.with_suffix(".html")
    target.write_text(page(written, results.goals(), results.outcomes()))
    console.print(f"The page: {target}", soft_wrap=True)


if __name__ == "__main__":
    app(prog_name="python -m bench")
