"""`python -m bench.agent`: the agent's numbers, with their goals. Exits with 1 where one is missed."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Annotated

import structlog
import typer
import uvloop
from rich.console import Console

from bench.agent.cost import cost
from bench.agent.cycles import of_agents, of_services
from bench.agent.disconnects import disconnects
from bench.agent.soon import first_request, registered_again
from bench.results import Outcome, leave_outcomes

WHAT = ("first", "again", "cost", "disconnects", "cycles", "agents")
FIRST_S, AGAIN, RATIO = 3.0, 1.0, 1.1

console = Console(highlight=False, width=120)


def main(
    only: Annotated[list[str] | None, typer.Option(help=f"One of {', '.join(WHAT)}; may be repeated.")] = None,
    cycles: Annotated[int, typer.Option(min=1, help="Starts and ends of a service.")] = 1000,
    agents: Annotated[int, typer.Option(min=1, help="Starts and ends of a whole agent.")] = 20,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of direct and reverse requests.")] = 9,
    seconds: Annotated[float, typer.Option(min=0.1, help="Of each round.")] = 1.0,
    broken: Annotated[int, typer.Option(min=1, help="Connections that are broken under load.")] = 100,
) -> None:
    """Measure how soon a lent machine serves, what reverse dial costs and survives, what is left behind."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    found: dict[str, list[tuple[bool, str]]] = {}
    with tempfile.TemporaryDirectory() as name:
        for goal, passed, text in _measured(Path(name), only or list(WHAT), cycles, agents, rounds, seconds, broken):
            console.print(f"{'met   ' if passed else 'MISSED'} {text}", style=None if passed else "bold red")
            found.setdefault(goal, []).append((passed, text))
    judged = [
        Outcome(goal, "; ".join(text for _, text in parts), all(passed for passed, _ in parts))
        for goal, parts in found.items()
    ]
    leave_outcomes("agent", judged)
    raise typer.Exit(0 if all(one.met for one in judged) else 1)


def _measured(
    directory: Path, only: list[str], cycles: int, agents: int, rounds: int, seconds: float, broken: int
) -> Iterator[tuple[str, bool, str]]:
    """Goal, whether it is met, and the line that says so."""
    if "first" in only:
        for way in ("direct", "reverse"):
            took = median(first_request(directory, way) for _ in range(5))
            text = f"first request, {way}: {took:.2f} s after the agent's start (goal {FIRST_S:g})"
            yield "agent-start", took <= FIRST_S, text
    if "again" in only:
        beats = max(registered_again(directory) for _ in range(5))
        text = f"registered again {beats:.2f} heartbeats after the coordinator's restart, worst of 5"
        yield "agent-again", beats <= AGAIN, text
    if "cost" in only:
        found = uvloop.run(cost(directory, rounds, seconds))
        yield (
            "reverse-cost",
            found.ratio <= RATIO,
            f"reverse {found.reverse_us:.1f} us a request at the edge, direct {found.direct_us:.1f}: "
            f"x {found.ratio:.3f} (goal {RATIO:g}); to the service itself, without an agent between, "
            f"{found.plain_us:.1f}; the agent's own share {found.agent_us:.1f} us",
        )
    if "disconnects" in only:
        told = asyncio.run(disconnects(directory, broken))
        text = f"{told.broken} connections broken under {told.requests} requests: {told.failed} failed"
        yield "reverse-breaks", told.failed == 0, text
    if "cycles" in only:
        left = uvloop.run(of_services(directory, cycles))
        yield "agent-cycles", left.nothing, f"after {cycles} starts and ends of a service: {left}"
    if "agents" in only:
        left = of_agents(directory, agents)
        yield "agent-cycles", left.nothing, f"after {agents} starts and ends of a serving agent: {left}"


typer.run(main)
