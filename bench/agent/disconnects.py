"""Reverse connections are broken under load: what users notice of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench.agent.lent import Fleet, until
from bench.agent.relay import Relay

CLIENTS = 8
SERVICE = "notes-coa"
BETWEEN_S = 0.05


@dataclass
class Outcome:
    broken: int = 0
    requests: int = 0
    failed: int = 0


async def disconnects(directory: Path, count: int) -> Outcome:
    """`failed` are idempotent requests without a whole answer of 200."""
    fleet, outcome = Fleet(directory), Outcome()
    with fleet.coordinator(), fleet.edge():
        relay = Relay(fleet.edge_port)
        port = await relay.start()
        through = {"AGENT_EXPOSE": "reverse", "AGENT_EDGES": f"http://127.0.0.1:{port}"}
        with fleet.machine("m1", SERVICE, **through):
            await asyncio.to_thread(until, lambda: fleet.serves(SERVICE))
            await _under_load(fleet, relay, count, outcome)
        await relay.stop()
    return outcome


async def _under_load(fleet: Fleet, relay: Relay, count: int, outcome: Outcome) -> None:
    done = asyncio.Event()
    async with asyncio.TaskGroup() as group, aiohttp.ClientSession() as session:
        clients = [group.create_task(_ask(session, fleet.edge_port, outcome, done)) for _ in range(CLIENTS)]
        while outcome.broken < count:
            outcome.broken += relay.break_one()
            await asyncio.sleep(BETWEEN_S)
        done.set()
        await asyncio.wait(clients)


async def _ask(session: aiohttp.ClientSession, port: int, outcome: Outcome, done: asyncio.Event) -> None:
    while not done.is_set():
        outcome.requests += 1
        try:
            async with session.get(f"http://127.0.0.1:{port}/service/{SERVICE}/bytes/1024") as answer:
                whole = answer.status == 200 and len(await answer.read()) == 1024
        except aiohttp.ClientError:
            whole = False
        outcome.failed += not whole
