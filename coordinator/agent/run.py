"""The agent from its first to its last breath."""

import asyncio
import signal

import aiohttp
import structlog
import uvloop

from coordinator.agent.descriptions import Descriptions, load_descriptions
from coordinator.agent.identity import signer_of
from coordinator.agent.membership import Membership
from coordinator.agent.place import Site, service_environment
from coordinator.agent.probe import address_towards, load
from coordinator.agent.services import Services
from coordinator.agent.settings import EVERY_ADDRESS, AgentSettings
from edgeproxy.cluster.client import CoordinatorClient
from edgeproxy.cluster.homes.configured import client_of
from edgeproxy.cluster.urls import worker_url
from edgeproxy.runtime.environment import ConfigurationError, reveal
from edgeproxy.runtime.reaper import is_init, reap_orphans
from edgeproxy.runtime.sockets import Bind

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
    load()  # measures from here on
    async with (
        _client(settings) as client,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as session,
    ):
        services = Services(
            descriptions,
            lambda: find_site(settings, client.url),
            service_environment(),
            session,
            lambda: membership.wake(),
        )
        membership = Membership(settings, client, services)
        _listen_to_signals(stop, services)
        try:
            await _live(membership, services, stop)
        finally:
            await membership.leave()
            await services.stop()
    log.info("left")
    return 0


def _listen_to_signals(stop: asyncio.Event, services: Services) -> None:
    """The first means leave, the second now."""

    def leave() -> None:
        if stop.is_set():
            services.kill()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, leave)


async def _live(membership: Membership, services: Services, stop: asyncio.Event) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(membership.live()), group.create_task(services.follow())]
            if is_init():
                tasks.append(group.create_task(reap_orphans()))
            await stop.wait()
            log.info("leaving")
            for task in tasks:
                task.cancel()
    except* ConfigurationError as errors:
        raise ConfigurationError(str(errors.exceptions[0])) from None


def find_site(settings: AgentSettings, coordinator_url: str) -> Site:
    """Where services listen and are reached, by the settings or by the way to the coordinator."""
    towards = address_towards(coordinator_url)
    bind = settings.host or towards
    address = towards if bind in EVERY_ADDRESS else bind
    try:
        worker_url(f"http://{Bind(address, 1)}")
    except ValueError as error:
        raise ConfigurationError(f"this machine has no address to tell others ({error}): set AGENT_HOST") from None
    return Site(bind, address, settings.coordinator_url, reveal(settings.api_key) or "", settings.tunnel)
