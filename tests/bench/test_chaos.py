"""The chaos runs' own parts: the worker does what it is told, the load tells errors from answers."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from bench.chaos import picks
from bench.chaos.__main__ import Figure, outcomes
from bench.chaos.load import Tally, offered
from bench.chaos.picks import Cost
from bench.chaos.site import site
from bench.chaos.streams import _payload
from bench.results import Outcome
from edgeproxy.policy.balance import STRATEGIES


def test_percentiles_are_of_those_that_were_due_between() -> None:
    tally = Tally([(0.0, 5.0), (1.0, 0.1), (1.5, 0.3), (2.0, 9.0)])
    assert tally.at(0.0, since=1.0, until=2.0) == 0.1
    assert tally.at(1.0, since=1.0, until=2.0) == 0.3


def test_a_stream_without_its_last_chunk_is_not_whole() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole = head + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    assert _payload(whole) == b"abc"
    assert _payload(whole[:-5]) == b""


def test_a_worker_is_killed_and_nobody_notices(tmp_path: Path) -> None:
    with site("edgeproxy", tmp_path, [0.001, 0.001]) as made:
        harm = (0.5, lambda: made.workers[0].send_signal(signal.SIGKILL))
        tally = asyncio.run(offered(made.port, 100, 1.5, harm))
    assert (len(tally.seconds), tally.errors) == (150, 0)


def test_without_a_second_one_it_is_noticed(tmp_path: Path) -> None:
    with site("edgeproxy", tmp_path, [0.001]) as made:
        harm = (0.3, lambda: made.workers[0].send_signal(signal.SIGUSR1))
        tally = asyncio.run(offered(made.port, 50, 1.0, harm))
    assert tally.errors > 0


def test_a_cost_is_shown_for_every_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picks, "PICKS", 10)
    monkeypatch.setattr(picks, "ROUNDS", 1)
    found = picks.costs()
    assert {(cost.strategy, cost.workers) for cost in found} == {(n, s) for n in STRATEGIES for s in (10, 1000)}
    assert all(isinstance(cost, Cost) and cost.grown < 2000 for cost in found)


def test_a_goal_is_met_where_all_of_its_figures_are_and_those_that_miss_it_are_shown() -> None:
    figures = [
        Figure("a", "1 ms", "<= 2 ms", True, "added"),
        Figure("nginx", "9 ms", name="added"),
        Figure("b", "3 ms", "<= 2 ms", False, "added"),
        Figure("c", "0", "0", True, "errors"),
        Figure("d", "7"),
    ]
    assert list(outcomes(figures)) == [Outcome("added", "b: 3 ms", False), Outcome("errors", "c: 0", True)]
