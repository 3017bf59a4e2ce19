"""What runs once on a machine, in the supervisor: discovery, health checks, the admin listener, the processes."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import uvloop
from aiohttp import web

from edgeproxy.admin.app import admin_app
from edgeproxy.admin.metrics import ProcessCounts, exposition
from edgeproxy.cluster.client import CoordinatorClient
from edgeproxy.cluster.homes.configured import client_of
from edgeproxy.discovery.coordinator import CoordinatorSource
from edgeproxy.discovery.feed import ChangeFeed
from edgeproxy.discovery.health import HealthChecker
from edgeproxy.discovery.policy import PolicyWatch
from edgeproxy.discovery.sightings import EdgeHeartbeat, Sightings
from edgeproxy.discovery.snapshot import Snapshot
from edgeproxy.discovery.static import first_snapshot
from edgeproxy.net.certificates import Pair, PairFiles, PairWatch
from edgeproxy.policy.reach import OPERATOR
from edgeproxy.protection import new_memory, new_reach, presence_of, read_policy
from edgeproxy.runtime.environment import ConfigurationError, reveal
from edgeproxy.runtime.logs import get_logger
from edgeproxy.runtime.sockets import Bind, listen
from edgeproxy.runtime.supervisor import Program, Supervisor
from edgeproxy.settings import ProxySettings

log = get_logger(__name__)


def run(settings: ProxySettings, environment: Mapping[str, str]) -> int:
    """Supervise the program until it is told to end; the exit code. `environment` is what flags said."""
    snapshot = first_snapshot(settings.upstreams, settings.health_path)
    certificates = _certificates(settings)
    read_policy(settings)
    sockets = listen(Bind(settings.host, settings.port), settings.processes)
    admin = listen(Bind(settings.admin_host, settings.admin_port), 1)
    program = Program(
        f"edgeproxy {settings.mode}",
        [sys.executable, "-m", "edgeproxy", "worker", settings.mode],
        processes=settings.processes,
        drain_s=settings.drain,
        environment=environment,
        memory=new_memory(settings),
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Host(settings, program, sockets, snapshot, certificates).run(admin[0]))


def _certificates(settings: ProxySettings) -> PairWatch | None:
    """The pair of the start, watched. One that clients refuse for its time is used and complained of: to leave would
    refuse those too who do not look at it."""
    if settings.tls_files is None:
        return None
    files = PairFiles(*settings.tls_files)
    pair = files.read()
    now = datetime.now(UTC)
    if reason := pair.fault(now) or pair.warning(now):
        log.warning("the certificate " + reason, subject=pair.subject)
    return PairWatch(files, pair)


class Host:
    """Everything that runs once on a machine: discovery, health checks, admin listener, the processes."""

    def __init__(
        self,
        settings: ProxySettings,
        program: Program,
        sockets: list[Any],
        snapshot: Snapshot,
        certificates: PairWatch | None,
    ) -> None:
        self._settings = settings
        self._certificates = certificates
        self._snapshot = snapshot
        self._have_list = bool(settings.upstreams)
        self._alive: dict[str, bool] = {}
        self._counts = ProcessCounts()
        self._supervisor = Supervisor(program, sockets, on_message=self._hear, on_exit=lambda _, pid: self._ended(pid))
        self._health = HealthChecker(
            self._on_health,
            interval_s=settings.health_interval,
            reach=OPERATOR if settings.upstreams else new_reach(settings),
        )
        self._source: CoordinatorSource | None = None
        self._sightings = Sightings()
        self._policy: PolicyWatch | None = None
        self._presence = presence_of(program.memory, settings) if program.memory is not None else None

    async def run(self, admin_socket: Any) -> int:
        async with AsyncExitStack() as stack:
            await self._start_admin(stack, admin_socket)
            self._publish(self._snapshot)
            background = await stack.enter_async_context(_Background())
            background.start(self._health.run())
            if self._certificates is not None:
                self._use(self._certificates.pair)
                background.start(self._certificates.run(self._use))
            if self._settings.policy is not None:
                self._policy = PolicyWatch(self._settings.policy, self._supervisor.broadcast)
                background.start(self._policy.run())
            if not self._settings.upstreams:
                client = await self._new_client(stack)
                background.start(self._new_source(client).run())
                background.start(ChangeFeed(client, self._on_change).run())
                background.start(EdgeHeartbeat(client, self._sightings.report).run())
            return await self._supervisor.run()

    def _use(self, pair: Pair) -> None:
        self._supervisor.broadcast(pair.as_message())

    def _certificate_expiry(self) -> float | None:
        return self._certificates.pair.not_after.timestamp() if self._certificates else None

    async def _new_client(self, stack: AsyncExitStack) -> CoordinatorClient:
        settings = self._settings
        try:
            client = client_of(
                settings.coordinator_url,
                reveal(settings.api_key),
                who=f"{socket.gethostname()}:{settings.port}",
                roots=settings.trust,
                path=settings.coordinators,
                kv=settings.kv,
            )
        except ValueError as error:
            raise ConfigurationError(f"COORDINATOR_URL: {error}") from None
        return await stack.enter_async_context(client)

    def _new_source(self, client: CoordinatorClient) -> CoordinatorSource:
        self._source = CoordinatorSource(
            client,
            self._on_snapshot,
            ttl_s=self._settings.worker_list_ttl,
            refresh_s=self._settings.worker_list_refresh,
        )
        return self._source

    def _ended(self, pid: int) -> None:
        if self._presence is not None:
            self._presence.ended(pid)
        self._counts.ended(pid)
        self._sightings.ended(pid)

    def _on_change(self) -> None:
        if self._source is not None:
            self._source.told()

    async def _start_admin(self, stack: AsyncExitStack, sock: Any) -> None:
        app = admin_app(
            not_ready_because=self._not_ready_because,
            metrics=exposition(self._counts.total, lambda: self._alive, self._certificate_expiry),
            table=self._table,
            purge=lambda: self._supervisor.broadcast({"type": "purge"}),
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, sock).start()

    def _not_ready_because(self) -> str:
        if self._supervisor.draining:
            return "draining"
        if not self._supervisor.ready:
            return "starting"
        return "" if self._have_list else "no worker list yet"

    def _table(self) -> Mapping[str, Any]:
        return {
            "version": self._snapshot.version,
            "known_services": sorted(self._snapshot.known_services),
            "services": {
                name: [{"url": endpoint.url, "alive": self._alive.get(endpoint.id)} for endpoint in endpoints]
                for name, endpoints in self._snapshot.endpoints.items()
            },
        }

    def _on_snapshot(self, snapshot: Snapshot) -> None:
        self._have_list = True
        log.info("worker list", version=snapshot.version, endpoints=sum(map(len, snapshot.endpoints.values())))
        self._publish(snapshot)

    def _publish(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        endpoints = list(snapshot.all_endpoints())
        ids = {endpoint.id for endpoint in endpoints}
        self._alive = {identity: alive for identity, alive in self._alive.items() if identity in ids}
        self._sightings.endpoints = {endpoint.id: endpoint for endpoint in endpoints}
        self._supervisor.broadcast(snapshot.to_message())
        self._health.update(endpoints)

    def _on_health(self, verdicts: Mapping[str, bool]) -> None:
        self._alive.update(verdicts)
        self._supervisor.broadcast({"type": "health", "alive": self._alive})

    def _hear(self, slot: int, message: Mapping[str, Any]) -> None:
        if message["type"] == "counters":
            self._counts.update(message["pid"], message)
        elif message["type"] == "seen":
            self._sightings.update(message["pid"], message["workers"])
        elif message["type"] == "failed":
            self._health.probe_soon(message["worker"])
            if self._source is not None:
                self._source.poke()
        elif message["type"] == "key_missed" and self._policy is not None:
            self._policy.key_missed()


class _Background:
    """Tasks that run beside the supervisor; one that fails takes the program with it, loudly."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, coroutine: Any) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(coroutine))

    async def __aenter__(self) -> _Background:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                log.error("a background task had failed", reason=repr(outcome))
