"""CPU of the serving process per request: without guards, with all of them, and refused."""

from __future__ import annotations

import os
from contextlib import ExitStack
from statistics import median

from bench.guard.edges import FULL, KEYED, NARROW_KEY, OFF, Place, edge, narrow_policy, request, serving
from bench.guard.load import Load
from bench.guard.report import Line
from bench.launch import Launched
from bench.measure import read_cpu

CONNECTIONS = 64
MOST_ADDED_US = 1.0
MOST_REFUSED = 0.6


async def measure(where: Place, rounds: int, seconds: float) -> list[Line]:
    kinds = {
        "none": (OFF, request(**KEYED), b"200"),
        "all": (FULL, request(**KEYED), b"200"),
        "all and access log": (FULL | {"EDGEPROXY_ACCESS_LOG": "json"}, request(**KEYED), b"200"),
        "429": (FULL | {"EDGEPROXY_RATE_LIMIT": "1/hour"}, request(**KEYED), b"429"),
        "401": (FULL, request(X_API_Key="wrong"), b"401"),
        "403": (
            FULL | {"EDGEPROXY_POLICY": str(narrow_policy(where.directory))},
            request(X_API_Key=NARROW_KEY),
            b"403",
        ),
    }
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    with ExitStack() as stack:
        edges = {name: stack.enter_context(edge(where, f"edge-{name}", kind[0])) for name, kind in kinds.items()}
        for _ in range(rounds):
            for name, (_, sent, status) in kinds.items():
                taken[name].append(await _round(edges[name], sent, status, seconds))
    us = {name: median(each) for name, each in taken.items()}
    added, logged = (_added(taken["none"], taken[name]) for name in ("all", "all and access log"))
    lines = [
        Line("a proxied request, no guard", f"{us['none']:.2f} us"),
        Line(
            "a proxied request, all guards",
            f"{us['all']:.2f} us",
            f"+{added:.2f} us",
            added <= MOST_ADDED_US,
            "guard-cost",
        ),
        Line(
            "a proxied request, all guards and the access log",
            f"{us['all and access log']:.2f} us",
            f"+{logged:.2f} us",
        ),
    ]
    for name in ("429", "401", "403"):
        ratio = us[name] / us["all"]
        lines.append(
            Line(
                f"a request that gets {name}",
                f"{us[name]:.2f} us",
                f"{ratio:.2f} x",
                ratio <= MOST_REFUSED,
                "guard-rejected",
            )
        )
    return lines


def _added(without: list[float], with_it: list[float]) -> float:
    """Round by round, since the machine's speed drifts."""
    return median(b - a for a, b in zip(without, with_it, strict=True))


async def _round(edge: Launched, sent: bytes, status: bytes, seconds: float) -> float:
    """Microseconds of CPU for one request."""
    (pid,) = serving(edge)
    async with await Load(sent, edge.port).open(CONNECTIONS) as load:
        await load.run(seconds / 4)
        before = read_cpu(pid)[pid]
        statuses, _ = await load.run(seconds)
        after = read_cpu(pid)[pid]
    wrong = sum(statuses.values()) - statuses[status]
    if wrong > 1:
        raise RuntimeError(f"{wrong} answers were not {status.decode()}: {dict(statuses)}")
    os.truncate(edge.log, 0)
    return (after - before) / sum(statuses.values()) * 1e6
