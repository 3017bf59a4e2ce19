"""Keep-alive connections at rest: what one weighs."""

from __future__ import annotations

import asyncio

from bench.asking import Asker, request
from bench.closed_loop import WrongAnswer
from bench.measure import read_memory
from bench.peers import Setup
from bench.scenarios.base import KIB, Column, Figures, Plan, Scenario, Target

AT_ONCE = 50
SETTLE_S = 1.0  # a sweep or two, in which a server may give back what it no longer needs
REQUEST = request("GET /bytes/1024")


class Idle(Scenario):
    name = "idle"
    title = "idle keep-alive connections, each after one request"
    peers = ("edgeproxy", "nginx", "haproxy")
    setup = Setup()
    compared = "kib"
    columns = (Column("kib", "KiB/connection", "{:.2f}"), Column("connections", "connections", "{:,.0f}"))

    def rounds(self, plan: Plan) -> int:
        return 1  # memory that a second round needs is there already, and says nothing

    async def measure(self, target: Target, plan: Plan) -> Figures:
        connections: list[Asker] = []
        try:
            while len(connections) < plan.idle:
                batch = min(AT_ONCE, plan.idle - len(connections))
                connections += await asyncio.gather(*(_used(target.port) for _ in range(batch)))
            await asyncio.sleep(SETTLE_S)
            memory = read_memory(target.pid) - target.resting
            if any(connection.closed for connection in connections):
                raise WrongAnswer("the peer closed connections that were idle")
        finally:
            for connection in connections:
                connection.close()
        return {"kib": memory / len(connections) / KIB, "connections": len(connections)}


async def _used(port: int) -> Asker:
    connection = await Asker.to(port)
    answer = await connection.ask(REQUEST)
    if answer.status != 200:
        raise WrongAnswer(f"status {answer.status} for a connection that was to be idle")
    return connection
