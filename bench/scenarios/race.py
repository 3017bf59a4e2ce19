"""The keep-alive race: a worker that closes idle connections just when the next request comes (RFC 9112 section 9.5).

Connections of three kinds send in bursts, each kind in a third of the gap: so every request finds the worker's
connections at just that age. A POST is declared idempotent by its route where the proxy knows of such a thing.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field

from bench.asking import Asker, request
from bench.backend.connection import RACE_IDLE_S
from bench.closed_loop import WrongAnswer
from bench.peers import Setup
from bench.scenarios.base import Column, Figures, Plan, Scenario, Target

CONNECTIONS = 60
"""Of each kind; a proxy keeps at least as many connections to a worker."""
JITTER_S = 0.0025
"""Either way around the moment at which a burst is due, so that gaps are within 5 ms of RACE_IDLE_S."""
BODY = 100  # bytes


@dataclass(slots=True)
class Kind:
    """Requests of one kind, and what became of them: 0 is a connection that closed without an answer."""

    name: str
    line: str
    body_bytes: int | None = None
    results: Counter[int] = field(default_factory=Counter)

    def errors(self) -> int:
        return self.results.total() - self.results[200]


def kinds() -> tuple[Kind, ...]:
    return (
        Kind("get", f"GET /service/ner/counted/{BODY}"),
        Kind("declared", "POST /service/llm/v1/chat/completions", BODY),
        Kind("post", "POST /service/notes/upload", BODY),
    )


class Race(Scenario):
    name = "race"
    title = f"keep-alive race, worker closes after {RACE_IDLE_S * 1000:g} ms, gaps of 195-205 ms"
    peers = ("edgeproxy", "nginx", "haproxy")
    setup = Setup(fleet=True)
    columns = (
        Column("get_errors", "GET errors", "{:,.0f}"),
        Column("declared_errors", "errors of POSTs declared idempotent", "{:,.0f}"),
        Column("post_errors", "errors of other POSTs", "{:,.0f}"),
        Column("post_not_502", "errors of other POSTs that are no 502", "{:,.0f}"),
        Column("post_twice", "other POSTs done twice", "{:,.0f}"),
        Column("requests", "requests of each kind", "{:,.0f}"),
    )

    def rounds(self, plan: Plan) -> int:
        return 1

    async def measure(self, target: Target, plan: Plan) -> Figures:
        await _executed(target)
        bursts = -(-plan.races // CONNECTIONS)
        raced = kinds()
        async with asyncio.TaskGroup() as group:
            for number, kind in enumerate(raced):
                group.create_task(_run(kind, target.port, bursts, number * RACE_IDLE_S / len(raced)))
        get, declared, post = raced
        executed = await _executed(target)
        return {
            "get_errors": get.errors(),
            "declared_errors": declared.errors(),
            "post_errors": post.errors(),
            "post_not_502": post.errors() - post.results[502],
            "post_twice": sum(times > 1 for name, times in executed.items() if name.startswith("post-")),
            "requests": bursts * CONNECTIONS,
        }


async def _run(kind: Kind, port: int, bursts: int, offset_s: float) -> None:
    loop = asyncio.get_running_loop()
    connections: list[Asker] = []
    try:
        connections += [await Asker.to(port) for _ in range(CONNECTIONS)]
        start = loop.time() + offset_s
        for burst in range(bursts):
            due = start + burst * RACE_IDLE_S
            await asyncio.gather(*(_one(kind, connections, place, burst, port, due) for place in range(CONNECTIONS)))
    finally:
        for connection in connections:
            connection.close()


async def _one(kind: Kind, connections: list[Asker], place: int, burst: int, port: int, due: float) -> None:
    now = asyncio.get_running_loop().time()
    await asyncio.sleep(due + random.uniform(-JITTER_S, JITTER_S) - now)
    if connections[place].closed:
        connections[place] = await Asker.to(port)
    asked = request(kind.line, f"{kind.name}-{burst}-{place}", kind.body_bytes)
    answer = await connections[place].ask(asked)
    kind.results[answer.status] += 1


async def _executed(target: Target) -> dict[str, int]:
    """How often each request was executed since the last call."""
    async with Asker.opened(target.upstream_port) as control:
        answer = await control.ask(request("GET /executed"))
    if answer.status != 200:
        raise WrongAnswer("the backend does not say what it has executed")
    executed: dict[str, int] = json.loads(answer.body)
    return executed
