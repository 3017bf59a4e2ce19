"""`python -m bench.chaos [--only NAME]`: make the faults, print each figure beside its goal, met or missed."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.chaos import picks, streams
from bench.chaos.load import Tally, offered
from bench.chaos.site import PROXIES, Site, found, site
from bench.results import Outcome, leave_outcomes

MOST_SHOWN = 4
RATE = 500.0
BEFORE_S, AFTER_S = 3.0, 5.0
FAST_S, SLOW_S = 0.005, 0.1
SLOW_RATE, SLOW_SECONDS = 240.0, 8.0

Making = Callable[[Path], "Iterator[Figure]"]


@dataclass(frozen=True, slots=True)
class Figure:
    """`met` None: not ours to meet, shown for comparison."""

    what: str
    shown: str
    goal: str = ""
    met: bool | None = None
    name: str = ""
    """In goals.toml."""

    def __str__(self) -> str:
        verdict = {None: "", True: "met", False: "MISSED"}[self.met]
        return f"{self.what:62} {self.shown:>22}  {self.goal:16} {verdict}"


ERRORS, ADDED, AGAIN = "chaos-errors", "chaos-added", "chaos-again"
SLOW, UPDATES, PICK = "slow-worker", "updates", "pick"

FAULTS = {"kill -9": signal.SIGKILL, "SIGSTOP": signal.SIGSTOP, "resets": signal.SIGUSR1}
BOUND_MS = {"kill -9": 50.0, "SIGSTOP": 1000.0, "resets": 50.0}


def faults(directory: Path) -> Iterator[Figure]:
    """One of two replicas is done harm to, under 500 requests a second."""
    for fault, number in FAULTS.items():
        for proxy in _present():
            with site(proxy, directory, [0.002, 0.002]) as made:
                harm = partial(made.workers[0].send_signal, number)
                tally = asyncio.run(offered(made.port, RATE, BEFORE_S + AFTER_S, (BEFORE_S, harm)))
                yield from _faced(fault, proxy, made, tally)


def _faced(fault: str, proxy: str, made: Site, tally: Tally) -> Iterator[Figure]:
    usual, worst = tally.at(0.5, until=BEFORE_S), tally.at(1.0, since=BEFORE_S - 0.1)
    noise = tally.at(1.0, since=1.0, until=BEFORE_S - 0.1)
    added, ours, bound = 1000 * (worst - usual), proxy == "edgeproxy", BOUND_MS[fault]
    title = f"{fault} of one of two at {RATE:.0f}/s, {proxy}"
    yield Figure(
        title + ": errors", str(tally.errors), "0" if ours else "", tally.errors == 0 if ours else None, ERRORS
    )
    shown = f"{added:.1f} ms (before: {1000 * noise:.0f})"
    yield Figure(
        "  longest latency added", shown, f"<= {bound:.0f} ms" if ours else "", added <= bound if ours else None, ADDED
    )
    if ours:
        asyncio.run(asyncio.sleep(1.5))  # the processes tell their counts once a second
        counts = made.events()
        again = counts.get("attempt_connect_failed", 0) + counts.get("attempt_upstream_reset", 0)
        yield Figure("  new connections tried to the dead worker", str(again), "<= 1", again <= 1, AGAIN)
        yield Figure("  what balancing did", ", ".join(f"{name} {count}" for name, count in counts.items()))


def slow(directory: Path) -> Iterator[Figure]:
    """One of four serial workers is 20 times slower."""
    p99: dict[str, float] = {}
    runs = [(proxy, {}) for proxy in _present() if proxy != "edgeproxy"]
    runs += [("edgeproxy", {"EDGEPROXY_BALANCE": name}) for name in ("round_robin", "least_request", "peak_ewma")]
    for proxy, variables in runs:
        with site(proxy, directory, [SLOW_S, FAST_S, FAST_S, FAST_S], serial=True, **variables) as made:
            tally = asyncio.run(offered(made.port, SLOW_RATE, SLOW_SECONDS))
        name = variables.get("EDGEPROXY_BALANCE", proxy)
        p99[name] = tally.at(0.99, since=1.0)
        shown = f"{1000 * p99[name]:.1f} ms, {tally.errors} errors"
        yield Figure(f"one of four 20 x slower, {name}: p99", shown)
    for name in ("least_request", "peak_ewma"):
        for peer in ("nginx", "haproxy"):
            if peer in p99:
                ratio = p99[peer] / p99[name]
                yield Figure(f"  {peer}'s p99 over {name}'s", f"{ratio:.1f} x", ">= 5 x", ratio >= 5, SLOW)


def lists(directory: Path) -> Iterator[Figure]:
    """The worker list changes while streams run."""
    outcome = asyncio.run(streams.run(directory))
    broken = outcome.begun - outcome.whole
    enough = outcome.updates >= streams.UPDATES
    shown = f"{broken} broken, {outcome.updates} updates"
    yield Figure(
        f"worker-list updates under {outcome.begun} streams", shown, "0, >= 100", broken == 0 and enough, UPDATES
    )


def costs(directory: Path) -> Iterator[Figure]:
    """A pick."""
    for cost in picks.costs():
        bound = 0.5 if cost.workers == 10 else 2.0
        met = cost.seconds * 1e6 <= bound and cost.grown < 1000
        shown = f"{cost.seconds * 1e6:.2f} us, {cost.grown} B"
        yield Figure(f"a {cost.strategy} pick of {cost.workers}", shown, f"<= {bound} us", met, PICK)


RUNS: dict[str, Making] = {"picks": costs, "faults": faults, "slow": slow, "lists": lists}


def _present() -> list[str]:
    return [proxy for proxy in PROXIES if proxy == "edgeproxy" or found(proxy)]


def outcomes(figures: Sequence[Figure]) -> Iterator[Outcome]:
    """One for each goal, of all the figures that it stands or falls with: those that miss it, else all of them."""
    for name in dict.fromkeys(figure.name for figure in figures if figure.name and figure.met is not None):
        ours = [figure for figure in figures if figure.name == name and figure.met is not None]
        shown = [figure for figure in ours if not figure.met] or ours
        words = "; ".join(f"{figure.what.strip()}: {figure.shown}" for figure in shown[:MOST_SHOWN])
        more = f"; {len(shown) - MOST_SHOWN} more" if len(shown) > MOST_SHOWN else ""
        yield Outcome(name, words + more, all(figure.met for figure in ours))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(RUNS), help="only this; may be repeated")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where a goal is missed")
    options = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="edgeproxy-chaos-") as directory:
        for name in options.only or RUNS:
            for figure in RUNS[name](Path(directory)):
                print(figure, flush=True)
                figures.append(figure)
    leave_outcomes("chaos", outcomes(figures))
    missed = sum(figure.met is False for figure in figures)
    print(f"{missed} missed" if missed else "all met")
    return 1 if options.strict and missed else 0


if __name__ == "__main__":
    sys.exit(main())
