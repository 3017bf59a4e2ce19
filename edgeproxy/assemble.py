"""The composition root: what a host runs once (`Host`, in the supervisor) and what each process runs (`serve`)."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import orjson
import uvloop
from aiohttp import web

from edgeproxy.admin.app import admin_app
from edgeproxy.admin.metrics import ProcessCounts, exposition
from edgeproxy.cache.store import Store
from edgeproxy.clock import Clock, monotonic
from edgeproxy.cluster.client import CoordinatorClient
from edgeproxy.cluster.homes.configured import client_of
from edgeproxy.cluster.services import SERVICES
from edgeproxy.discovery.coordinator import CoordinatorSource
from edgeproxy.discovery.feed import ChangeFeed
from edgeproxy.discovery.health import HealthChecker
from edgeproxy.discovery.policy import PolicyWatch
from edgeproxy.discovery.sightings import EdgeHeartbeat, Sightings
from edgeproxy.discovery.snapshot import Endpoint, Snapshot
from edgeproxy.discovery.static import static_snapshot
from edgeproxy.net.accept import Accepting
from edgeproxy.net.certificates import Pair, PairFiles, PairWatch
from edgeproxy.net.client import ClientConnection
from edgeproxy.net.dial import NetworkDialer
from edgeproxy.net.edge import Edge
from edgeproxy.net.handshaking import Handshaking
from edgeproxy.net.reverse import Reception
from edgeproxy.net.tls import ServerTls
from edgeproxy.policy.affinity import session_reader
from edgeproxy.policy.balance.choice import Balancing
from edgeproxy.policy.reach import OPERATOR
from edgeproxy.protection import Protection, new_door, new_memory, new_reach, presence_of, read_policy
from edgeproxy.proxy.observe import Observer
from edgeproxy.proxy.table import Table
from edgeproxy.routes import COORDINATOR, Routes
from edgeproxy.runtime.child import Child
from edgeproxy.runtime.environment import ConfigurationError, reveal
from edgeproxy.runtime.logs import get_logger
from edgeproxy.runtime.shared_memory import inherited_memory
from edgeproxy.runtime.sockets import Bind, listen
from edgeproxy.runtime.supervisor import Program, Supervisor
from edgeproxy.settings import ProxySettings, network, per_service
from edgeproxy.telemetry.access import AccessLog
from edgeproxy.telemetry.counters import Counters

REPORT_GAP = 0.1
"""Seconds between two reports of the same failing worker: the first one is news."""

ABORT_GRACE = 0.5
"""Seconds for aborted connections to be closed before the loop ends."""

log = get_logger(__name__)


def run(settings: ProxySettings, environment: Mapping[str, str]) -> int:
    """Supervise the program until it is told to end; the exit code. `environment` is what flags said."""
    snapshot = _first_snapshot(settings)
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


def _first_snapshot(settings: ProxySettings) -> Snapshot:
    """What is served before the coordinator has answered: no worker, and 503 rather than 404."""
    if not settings.upstreams:
        return Snapshot.of((), SERVICES)
    try:
        return static_snapshot(",".join(settings.upstreams), settings.health_path)
    except ValueError as error:
        raise ConfigurationError(f"EDGEPROXY_UPSTREAMS: {error}") from None


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


async def serve(child: Child, settings: ProxySettings) -> None:
    """One serving process: from its sockets to its last exchange."""
    counters = Counters()
    name = "edge-proxy" if settings.mode == "serve" else "load-balancer"
    routes = Routes(
        counters, _balancing(settings), orjson.dumps({"status": "healthy", "service": name}), settings.max_replay
    )
    loop = asyncio.get_running_loop()
    access_log = AccessLog() if settings.access_log == "json" else None
    dialer = NetworkDialer(new_reach(settings))
    report = _Reporter(child, loop)
    tls = ServerTls(counters) if settings.tls_files else None
    observer = Observer(counters, access_log, Clock(monotonic))
    store = _shared_store(settings, counters)
    memory = inherited_memory()
    protection = Protection(settings, memory, counters, store.leases if store else None, child.send)
    routes.policies = protection.policies
    snapshot = _first_snapshot(settings)
    table = _build_table(routes, settings, snapshot)
    door = new_door(settings, counters, memory)
    cache = _new_cache(settings, counters)
    edge = Edge(loop, table, settings.limits, observer, dialer, report, tls, cache, protection.build, door)
    dialer.edge = edge
    if settings.mode == "serve" and not settings.upstreams:
        routes.reception = Reception(edge, child.slot, settings.processes, lambda: report(""))
        edge.table = _build_table(routes, settings, _first_snapshot(settings))
    edge.start()

    def on_message(message: Mapping[str, Any]) -> None:
        nonlocal snapshot
        if message["type"] == "snapshot":
            snapshot = Snapshot.from_message(message)
            if routes.reception is not None:
                routes.reception.admit(snapshot.keys)
            edge.table = _build_table(routes, settings, snapshot)
        elif message["type"] in ("policy", "jwks"):
            protection.hear(message)
            routes.policies = protection.policies
            edge.table = _build_table(routes, settings, snapshot)
        elif message["type"] == "health":
            routes.probed(message["alive"])
        elif message["type"] == "purge" and cache is not None:
            cache.clear()
        elif message["type"] == "tls" and tls is not None:
            tls.use(Pair.from_message(message))

    child.on_message = on_message
    trusted = [network(text) for text in settings.trusted_proxies]
    options = await tls.server_options(settings.limits) if tls else {}
    door_keeper = Handshaking if tls else Accepting
    accepting = door_keeper(loop, lambda: ClientConnection(edge, trusted), child.sockets, options)
    await accepting.begin()
    door.shut, door.open = accepting.pause, accepting.resume
    child.ready()
    background = [loop.create_task(_send_counters(child, counters, routes))]
    if store is not None:
        background.append(loop.create_task(store.run()))
    seconds = await child.until_drain()
    await _drain(edge, accepting, seconds)
    for task in background:
        task.cancel()
    if store is not None:
        await store.close()
    child.send(counters.as_message())
    edge.stop()
    await dialer.close()
    if access_log is not None:
        access_log.close()


def _balancing(settings: ProxySettings) -> Balancing:
    return Balancing(
        strategies=per_service(settings.balance, str),
        sessions=per_service(settings.affinity, session_reader),
        max_in_flight=settings.max_in_flight,
        queue=settings.queue,
        queue_seconds=settings.queue_timeout,
        processes=settings.processes,
    )


def _new_cache(settings: ProxySettings, counters: Counters) -> Store | None:
    """This process's share of the cache."""
    share = settings.cache // settings.processes
    return Store(share, settings.cache_max_entry, counters) if share else None


def _shared_store(settings: ProxySettings, counters: Counters) -> Any:
    """What several machines share their limits by, where the operator has named one."""
    url = reveal(settings.shared_store_url)
    if url is None:
        return None
    from edgeproxy.net.store import SharedStore  # its client library takes a while to load

    return SharedStore(url, counters.fault)


def _build_table(routes: Routes, settings: ProxySettings, snapshot: Snapshot) -> Table:
    if settings.upstreams:
        return routes.stand_alone(snapshot)
    if settings.mode == "balance":
        return routes.balancer(snapshot, settings.service)
    return routes.edge(snapshot, [Endpoint.of(COORDINATOR, url) for url in settings.coordinator_url])


class _Reporter:
    """Tells the supervisor of workers that fail, so that discovery and health checks look at once."""

    def __init__(self, child: Child, loop: asyncio.AbstractEventLoop) -> None:
        self._child = child
        self._now = loop.time
        self._last: dict[str, float] = {}

    def __call__(self, worker: str) -> None:
        now = self._now()
        if now - self._last.get(worker, 0.0) >= REPORT_GAP:
            if len(self._last) > 10_000:  # ids of workers long gone
                self._last.clear()
            self._last[worker] = now
            self._child.send({"type": "failed", "worker": worker})


async def _send_counters(child: Child, counters: Counters, routes: Routes) -> None:
    while True:
        await asyncio.sleep(1.0)
        child.send(counters.as_message())
        child.send({"type": "seen", "workers": routes.seen()})


async def _drain(edge: Edge, accepting: Accepting | Handshaking, seconds: float) -> None:
    """Stop accepting; connections at rest end now, those at work with their exchange or at the deadline."""
    edge.draining = True
    edge.door.open = edge.door.shut = accepting.pause
    accepting.pause()
    edge.drain()
    deadline = edge.clock.tick() + seconds
    while edge.clients and edge.clock.tick() < deadline:
        await asyncio.sleep(0.05)
    edge.abort()
    await asyncio.sleep(ABORT_GRACE if edge.clients else 0)
