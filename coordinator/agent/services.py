"""The services of this machine: what we were told to run becomes what runs."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import aiohttp
import structlog

from coordinator.agent.descriptions import Descriptions, ServiceDescription
from coordinator.agent.place import Site, Unplaceable
from coordinator.agent.service import Service, UrlOf
from edgeproxy.cluster.messages import ServiceConfig, ServiceReport
from edgeproxy.cluster.services import SERVICES
from edgeproxy.runtime.tasks import hold

FALLBACK_PORT: Final = 8200  # for a service that neither we nor the coordinator has a port for
SWAP_PATIENCE: Final = 60.0  # seconds that what is to go waits for what replaces it
MOST_LINGER: Final = 30.0
RETRY: Final = 5.0  # seconds until a service that found no port is tried again

log = structlog.get_logger(__name__)


class Services:
    """`assign()` says what shall run, `follow()` makes it so, `reports()` tells what does."""

    def __init__(
        self,
        site_of: Callable[[ServiceDescription], Site],
        url_of: UrlOf,
        environment: Mapping[str, str],
        session: aiohttp.ClientSession,
        on_change: Callable[[], None],
    ) -> None:
        self._descriptions: Descriptions = {}
        self._site_of = site_of
        self._url_of = url_of
        self._environment = environment
        self._session = session
        self._on_change = on_change
        self._wanted: dict[str, int | None] = {}
        self._running: dict[str, Service] = {}
        self._leaving: dict[Service, asyncio.Task[None]] = {}
        self._linger = 0.0
        self._refused: set[str] = set()
        self._changed = asyncio.Event()

    @property
    def runnable(self) -> list[str]:
        return sorted(self._descriptions)

    def reports(self) -> list[ServiceReport]:
        """What is on its way out is told no more, before it stops."""
        return [report for service in self._running.values() if (report := service.report()) is not None]

    def local_urls(self) -> dict[str, str]:
        """Where this machine reaches each, those included that are on their way out."""
        return {service.name: service.local_url for service in (*self._leaving, *self._running.values())}

    def can_run(self, descriptions: Descriptions) -> None:
        """By the names of the services; everything else is refused."""
        self._descriptions = descriptions

    @property
    def refused(self) -> list[str]:
        """What we were told to run and do not."""
        return sorted(self._refused)

    def assign(self, names: Sequence[str], configs: Sequence[ServiceConfig], linger: float) -> None:
        """The whole assignment as it stands; what cannot be run here is refused, the rest goes on. What goes
        serves for another `linger` seconds: edges learn of it from lists that are that old."""
        self._linger = min(linger, MOST_LINGER)
        ports = {config.name: config.port for config in configs}
        wanted = {name: ports.get(name) for name in names if name in self._descriptions}
        self._refuse(set(names) - wanted.keys())
        if wanted != self._wanted:
            log.info("assigned", services=sorted(wanted))
            self._wanted = wanted
            self._changed.set()

    async def follow(self) -> None:
        """New ones are started before old ones are stopped."""
        while True:
            self._changed.clear()
            missed = await self._start([name for name in self._wanted if name not in self._running])
            if any(name not in self._wanted for name in self._running) and await self._replacements_serve():
                self._dismiss([name for name in self._running if name not in self._wanted])
            await self._wait(RETRY if missed else None)

    async def stop(self, within: float | None = None) -> None:
        """All of them, at once; each has its own time to end, and not more than `within` seconds."""
        for task in self._leaving.values():
            task.cancel()
        if self._leaving:
            await asyncio.wait(self._leaving.values())
        ending = [*self._running.values(), *self._leaving]
        await asyncio.gather(*(service.stop(within) for service in ending))
        self._running.clear()
        self._leaving.clear()
        self._wanted = {}
        self._refused = set()

    def kill(self) -> None:
        """Whoever is still there when it has to be now."""
        for service in (*self._running.values(), *self._leaving):
            service.kill()

    async def _start(self, names: Sequence[str]) -> bool:
        """Whether one could not be started."""
        missed = False
        for name in names:
            service = self._service(name)
            try:
                await service.start()
            except Unplaceable as error:
                log.error("a service cannot be started", service=name, reason=str(error))
                missed = True
            else:
                self._running[name] = service
                self._on_change()
        return missed

    def _service(self, name: str) -> Service:
        description = self._descriptions[name]
        catalogue = SERVICES[name].port if name in SERVICES else FALLBACK_PORT
        port = description.port or self._wanted[name] or catalogue
        site = self._site_of(description)
        return Service(name, description, port, site, self._environment, self._session, self._on_change, self._url_of)

    async def _replacements_serve(self) -> bool:
        """Wait until what is new has shown what it can do; False if the assignment changed meanwhile."""
        deadline = time.monotonic() + SWAP_PATIENCE
        while any(self._running[name].status == "starting" for name in self._wanted if name in self._running):
            if self._changed.is_set() or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.1)
        return not self._changed.is_set()

    def _dismiss(self, names: Sequence[str]) -> None:
        log.info("not assigned any more", services=list(names))
        for service in [self._running.pop(name) for name in names]:
            self._leaving[service] = hold(self._retire(service))
        self._on_change()

    async def _retire(self, service: Service) -> None:
        await asyncio.sleep(self._linger)
        await service.stop()
        del self._leaving[service]
        self._on_change()

    async def _wait(self, timeout: float | None) -> None:
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _refuse(self, names: set[str]) -> None:
        for name in sorted(names - self._refused):
            log.warning("refused: how to start this service is not described here, or it is not allowed", service=name)
        changed, self._refused = names != self._refused, names
        if changed:
            self._on_change()
