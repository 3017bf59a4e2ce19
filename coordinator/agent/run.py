"""The agent from its first to its last breath."""

import asyncio
import signal
from collections.abc import Coroutine

import aiohttp
import structlog
import uvloop

from coordinator.agent.descriptions import Descriptions, load_descriptions
from coordinator.agent.identity import signer_of
from coordinator.agent.lending import Lending
from coordinator.agent.machine import Machine
from coordinator.agent.probe import load
from coordinator.agent.settings import AgentSettings
from edgeproxy.cluster.client import CoordinatorClient
from edgeproxy.cluster.homes.configured import client_of
from edgeproxy.gateway import Gateway
from edgeproxy.runtime.environment import ConfigurationError, reveal
from edgeproxy.runtime.notify import notify_ready, notify_stopping
from edgeproxy.runtime.reaper import is_init, reap_orphans
from edgeproxy.runtime.sockets import ListenError
from edgeproxy.runtime.tasks import hold

ASK_TIMEOUT = 5.0  # seconds for any answer of the coordinator: below any interval between heartbeats worth the name

log = structlog.get_logger(__name__)


def run(settings: AgentSettings) -> int:
    """Until SIGTERM, SIGINT or SIGHUP; the exit code. ConfigurationError before anything is started."""
    descriptions = load_descriptions(settings.services_file, settings.services)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(settings, descriptions))


def _client(settings: AgentSettings) -> CoordinatorClient:
    signer = signer_of(settings)
    return client_of(
        settings.coordinator_url,
        reveal(settings.api_key),
        who=signer.public.hex(),
        roots=settings.trust,
        path=settings.coordinators,
        signer=signer,
        timeout=ASK_TIMEOUT,
        kv=settings.kv,
    )


async def _run(settings: AgentSettings, descriptions: Descriptions) -> int:
    stop = asyncio.Event()
    lending = Lending(settings.hours)
    load()  # measures from here on
    machine: Machine
    async with (
        _client(settings) as client,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as session,
        Gateway(asyncio.get_running_loop(), lambda: machine.wake_dial()) as gateway,
    ):
        machine = Machine(settings, descriptions, client, session, gateway)
        _listen_to_signals(stop, lending, machine)
        reaper = hold(reap_orphans()) if is_init() else None
        notify_ready("joining")
        try:
            while not stop.is_set():
                await _lend(machine, lending, stop)
        finally:
            notify_stopping("leaving")
            if reaper is not None:
                reaper.cancel()
    log.info("left")
    return 0


def _listen_to_signals(stop: asyncio.Event, lending: Lending, machine: Machine) -> None:
    """The first means leave, the second now. USR1 and USR2 are the owner's, who wants it back or lends it again."""
    loop = asyncio.get_running_loop()

    def leave() -> None:
        if stop.is_set():
            machine.kill()
        stop.set()

    def take() -> None:
        if not lending.lent:
            machine.kill()
        lending.take()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, leave)
    loop.add_signal_handler(signal.SIGUSR1, take)
    loop.add_signal_handler(signal.SIGUSR2, lending.give)


async def _lend(machine: Machine, lending: Lending, stop: asyncio.Event) -> None:
    """One time of being lent, and one of not being."""
    if not lending.lent:
        log.info("not lent", reason=lending.why)
        await _first(lending.until(True), stop.wait())
        return
    try:
        await _live(machine, lending, stop)
    finally:
        await machine.leave(hurry=not stop.is_set())


async def _live(machine: Machine, lending: Lending, stop: asyncio.Event) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in machine.parts()]
            await _first(stop.wait(), lending.until(False))
            log.info("leaving", reason="told to end" if stop.is_set() else lending.why)
            for task in tasks:
                task.cancel()
    except* (ConfigurationError, ListenError) as errors:
        raise errors.exceptions[0] from None


async def _first(*waits: Coroutine[object, object, object]) -> None:
    """Until one of them is done."""
    tasks = {hold(wait) for wait in waits}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
