"""SIGTERM to a coordinator: its workers are at home elsewhere before it ends, users notice nothing. Real processes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import aiohttp

from coordinator.federation.__main__ import Tally, free_port, start_edge
from coordinator.federation.machine import Machine
from coordinator.federation.site import Site
from edgeproxy.runtime.tasks import hold
from tests.e2e.lent import AgentProcess
from tests.e2e.test_agents import NOTES
from tests.e2e.test_federation import listed, until

DRAIN = 60.0
WITHIN = 60.0
NAMES = ("core", "eu", "us")
USERS_PAUSE = 0.05
SERVICES = ("llm", NOTES)


class Fleet:
    """Three coordinators; machines that began at `eu` and some at `us`, all in this process but one agent."""

    def __init__(self, directory: Path, interval: float) -> None:
        self.directory = directory
        self.site = Site(directory, {name: ("127.0.0.1", free_port()) for name in NAMES})
        self.site.environment = {"COORDINATOR_HEARTBEAT_INTERVAL": str(interval), "COORDINATOR_DRAIN": str(DRAIN)}
        self.site.prepare()
        self.machines = [self.machine(n) for n in range(9)]
        self.names = {"lent", *(machine.name for machine in self.machines)}
        self.edge = f"http://127.0.0.1:{free_port()}"
        self.tally = Tally()
        self.missing: list[str] = []

    def machine(self, number: int) -> Machine:
        name = "us" if number % 3 == 2 else "eu"
        return Machine(f"m{number}", (self.site.url(name),), (self.site.root,), self.directory / f"m{number}.json")

    def agent(self) -> AgentProcess:
        return AgentProcess(
            self.directory / "lent.log",
            self.site.url("eu"),
            [NOTES],
            "lent",
            API_KEY="federation",
            AGENT_SERVICES=NOTES,
            COORDINATOR_TRUST=self.site.root,
            COORDINATOR_LIST=str(self.directory / "lent.json"),
        )

    def homes(self) -> set[str]:
        return {machine.client.failover.home for machine in self.machines}

    async def all_are_known(self, session: aiohttp.ClientSession) -> bool:
        return all([await listed(session, self.site.url(name)) == self.names for name in self.site.processes])

    async def use(self, session: aiohttp.ClientSession, service: str) -> None:
        """Until it is cancelled."""
        while True:
            await self.tally.use(session, self.edge, service)
            await asyncio.sleep(USERS_PAUSE)

    async def watch(self, session: aiohttp.ClientSession, *names: str) -> None:
        """Until it is cancelled: whom these coordinators do not list, or list as an orphan or as not well."""
        while True:
            for name in names:
                async with session.get(self.site.url(name) + "/api/coordinator/workers") as response:
                    rows = (await response.json())["workers"]
                well = {r["worker_id"] for r in rows if r["status"] == "healthy" and not r.get("orphaned")}
                self.missing += [f"{worker} at {name}" for worker in self.names - well]
            await asyncio.sleep(0.1)


@asynccontextmanager
async def running(fleet: Fleet) -> AsyncIterator[AgentProcess]:
    site = fleet.site
    for name in NAMES:
        site.start(name)
    edge = start_edge(site, fleet.directory, int(fleet.edge.rpartition(":")[2]), "eu")
    agent = fleet.agent()
    tasks = [hold(machine.run()) for machine in fleet.machines]
    try:
        yield agent
    finally:
        await end(tasks)
        agent.stop()
        edge.terminate()
        edge.wait(15)
        site.stop()


async def test_a_coordinator_that_is_told_to_leave_hands_its_workers_over(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, interval=1.0)
    site, eu = fleet.site, fleet.site.url("eu")
    async with running(fleet) as agent, aiohttp.ClientSession() as session:
        await until(lambda: fleet.all_are_known(session), WITHIN)
        await until(lambda: is_served(fleet, session), WITHIN)
        assert {eu, site.url("us")} == fleet.homes()
        before = lives(agent)
        users = [hold(fleet.use(session, service)) for service in SERVICES]
        tasks = [*users, hold(fleet.watch(session, "core", "us"))]
        await asyncio.sleep(1.0)
        process, began = site.processes.pop("eu"), monotonic()
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WITHIN):
            code = await asyncio.to_thread(process.wait)
        took, homes = monotonic() - began, fleet.homes()
        await asyncio.sleep(8.0)  # longer than until a lost home is noticed
        assert not [task for task in tasks if task.done()]
        await end(tasks)
        assert (code, homes) == (0, {site.url("us")})
        assert took < DRAIN / 2
        assert not fleet.tally.bad, fleet.tally.faults
        assert fleet.tally.good > 50
        assert not fleet.missing
        assert not [m.name for m in fleet.machines if m.away is not None or m.gaps], "nobody missed its home"
        assert before
        assert agent.logged("moved to another coordinator")
        assert lives(agent) == before
        assert await fleet.all_are_known(session)
        site.start("eu")
        await until(lambda: fleet.all_are_known(session), WITHIN)


async def test_a_coordinator_that_is_killed_is_missed_long_before_the_next_heartbeat(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, interval=200.0)
    site, eu = fleet.site, fleet.site.url("eu")
    async with running(fleet), aiohttp.ClientSession() as session:
        await until(lambda: fleet.all_are_known(session), WITHIN)
        await until(lambda: is_served(fleet, session), WITHIN)
        users = [hold(fleet.use(session, "llm"))]
        site.kill("eu")
        async with asyncio.timeout(WITHIN):
            while eu in fleet.homes():
                await asyncio.sleep(0.1)
        await end(users)
        assert not fleet.tally.bad, fleet.tally.faults


async def end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def is_served(fleet: Fleet, session: aiohttp.ClientSession) -> bool:
    tally = Tally()
    for service in SERVICES:
        await tally.use(session, fleet.edge, service)
    return tally.good == len(SERVICES)


def lives(agent: AgentProcess) -> list[object]:
    """What was started and stopped there."""
    return [*agent.logged("started"), *agent.logged("not assigned any more"), *agent.logged("assigned")]
