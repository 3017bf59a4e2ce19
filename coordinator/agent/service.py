"""One service that runs here: a process, a port, and whether it answers."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import structlog

from coordinator.agent.descriptions import ServiceDescription
from coordinator.agent.place import Site
from coordinator.agent.ports import NoFreePort, PortClaim
from edgeproxy.cluster.messages import ServiceReport, ServiceStatus
from edgeproxy.runtime.process import ManagedProcess
from edgeproxy.runtime.tasks import hold

EAGER: Final = 0.25  # seconds between questions while it does not answer yet
CALM: Final = 2.0  # and while it does
PATIENCE: Final = aiohttp.ClientTimeout(total=3.0)
MISSES: Final = 2  # unanswered questions in a row that make a healthy service unhealthy

UrlOf = Callable[[str, int, ServiceDescription], str | None]
"""Where users' requests for the service of that name and port go."""

log = structlog.get_logger(__name__)


class Service:
    """Started by `start()`, watched until `stop()`. `on_change()` is called when its report changes."""

    def __init__(
        self,
        name: str,
        description: ServiceDescription,
        wanted_port: int,
        site: Site,
        environment: Mapping[str, str],
        session: aiohttp.ClientSession,
        on_change: Callable[[], None],
        url_of: UrlOf,
    ) -> None:
        self.name = name
        self.status: ServiceStatus = "starting"
        self._description = description
        self._wanted_port = wanted_port
        self._site = site
        self._environment = environment
        self._session = session
        self._on_change = on_change
        self._url_of = url_of
        self._log = log.bind(service=name)
        self._claim: PortClaim | None = None
        self._misses = 0
        self._watcher: asyncio.Task[None] | None = None
        self._process = ManagedProcess(name, [], {}, on_change=self._process_changed)

    async def start(self) -> None:
        """Unplaceable without a free port, or without room for what it stores."""
        if self._description.keeps_data:
            self._site.make_room(self.name)
        self._take_port()
        await self._process.start()
        self._watcher = hold(self._watch())

    async def stop(self, within: float | None = None) -> None:
        grace = self._description.stop_timeout
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait({self._watcher})
        await self._process.stop(grace if within is None else min(grace, within))
        if self._claim is not None:
            self._claim.release()

    def kill(self) -> None:
        self._process.kill()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def port(self) -> int:
        return self._wanted_port if self._claim is None else self._claim.port

    @property
    def local_url(self) -> str:
        return self._site.local_url(self.port)

    def report(self) -> ServiceReport | None:
        """None while nobody can reach this machine."""
        url = self._url_of(self.name, self.port, self._description)
        if url is None:
            return None
        return ServiceReport(
            name=self.name,
            service_url=url,
            port=self.port,
            health_path=self._description.health_path or "/",
            status=self.status,
        )

    def _take_port(self) -> None:
        if self._claim is not None:
            self._claim.release()
            self._claim = None
        self._claim = PortClaim.near(self._site.bind, self._wanted_port)
        if self.port != self._wanted_port:
            self._log.info(
                "the wanted port is taken, it gets the next free one", wanted=self._wanted_port, port=self.port
            )
        place = self._site.place(self.port)
        self._process.set_command(
            self._description.argv(self.name, place),
            self._description.environment(self.name, place, self._environment),
        )

    def _process_changed(self) -> None:
        """It ended, perhaps because somebody else had the port: it starts again where one is free."""
        if self._process.state != "backoff":
            return
        self._set("unhealthy")
        try:
            self._take_port()
        except NoFreePort as error:
            self._log.error("no port", reason=str(error))

    async def _watch(self) -> None:
        """A process that exists is not yet a service: only its answer makes it healthy."""
        try:
            async with asyncio.timeout(self._description.start_timeout):
                await self._until_it_answers()
        except TimeoutError:
            self._log.warning("does not answer", seconds=self._description.start_timeout)
            self._set("unhealthy")
        while True:
            self._note(await self._answers())
            await asyncio.sleep(CALM if self.status == "healthy" and not self._misses else EAGER)

    async def _until_it_answers(self) -> None:
        while not await self._answers():
            await asyncio.sleep(EAGER)

    def _note(self, answered: bool) -> None:
        self._misses = 0 if answered else self._misses + 1
        if answered:
            self._set("healthy")
        elif self.status == "healthy" and self._misses >= MISSES:
            self._log.warning("does not answer any more", pid=self.pid)
            self._set("unhealthy")

    async def _answers(self) -> bool:
        if self._process.state != "running":
            return False
        if not self._description.health_path:
            return await self._accepts()
        url, pid = self.local_url + self._description.health_path, self.pid
        try:
            async with self._session.get(url, timeout=PATIENCE, allow_redirects=False) as response:
                return response.status < 500 and self.pid == pid  # an answer of its predecessor says nothing
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False

    async def _accepts(self) -> bool:
        parts, pid = urlsplit(self.local_url), self.pid
        try:
            async with asyncio.timeout(PATIENCE.total):
                _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        except (TimeoutError, OSError):
            return False
        writer.close()
        return self.pid == pid

    def _set(self, status: ServiceStatus) -> None:
        if status != self.status:
            self.status = status
            self._log.info("status", status=status, port=self.port, pid=self.pid)
            self._on_change()
