"""One serving process, from its sockets to its last exchange. It imports what a request needs and nothing else: each
process pays for that in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from edgeproxy.cache.store import Store
from edgeproxy.clock import Clock, monotonic
from edgeproxy.discovery.snapshot import Endpoint, Snapshot
from edgeproxy.discovery.static import first_snapshot
from edgeproxy.net.accept import Accepting
from edgeproxy.net.certificates import Pair
from edgeproxy.net.client import ClientConnection
from edgeproxy.net.dial import NetworkDialer
from edgeproxy.net.edge import Edge
from edgeproxy.net.handshaking import Handshaking
from edgeproxy.net.reverse import Reception
from edgeproxy.net.tls import ServerTls
from edgeproxy.policy.affinity import session_reader
from edgeproxy.policy.balance.choice import Balancing
from edgeproxy.protection import Protection, new_door, new_reach
from edgeproxy.proxy.observe import Observer
from edgeproxy.proxy.table import Route, Table
from edgeproxy.routes import COORDINATOR, Routes
from edgeproxy.runtime.child import Child
from edgeproxy.runtime.environment import reveal
from edgeproxy.runtime.heap import Heap
from edgeproxy.runtime.shared_memory import inherited_memory
from edgeproxy.settings import ProxySettings, network, per_service
from edgeproxy.telemetry.access import AccessLog
from edgeproxy.telemetry.counters import Counters

REPORT_GAP = 0.1
"""Seconds between two reports of the same failing worker: the first one is news."""

ABORT_GRACE = 0.5
"""Seconds for aborted connections to be closed before the loop ends."""


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
    door = new_door(settings, counters, memory)
    cache = _new_cache(settings, counters)
    nothing = Table(Route("none", counters.route("none")))
    edge = Edge(loop, nothing, settings.limits, observer, dialer, report, tls, cache, protection.build, door)
    dialer.edge = edge
    if settings.mode == "serve" and not settings.upstreams:
        routes.reception = Reception(edge, child.slot, settings.processes, lambda: report(""))
    inbox = _Inbox(settings, edge, routes, protection, cache, tls)
    inbox.build()
    edge.start()
    child.on_message = inbox.take
    trusted = [network(text) for text in settings.trusted_proxies]
    options = await tls.server_options(settings.limits) if tls else {}
    door_keeper = Handshaking if tls else Accepting
    accepting = door_keeper(loop, lambda: ClientConnection(edge, trusted), child.sockets, options)
    await accepting.begin()
    door.shut, door.open = accepting.pause, accepting.resume
    child.ready()
    background = [loop.create_task(_send_counters(child, counters, routes))]
    background.append(loop.create_task(Heap().keep_small(lambda: door.left)))
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


class _Inbox:
    """What the supervisor tells this process: the workers, the operator's policy, who is well, the certificate."""

    def __init__(
        self,
        settings: ProxySettings,
        edge: Edge,
        routes: Routes,
        protection: Protection,
        cache: Store | None,
        tls: ServerTls | None,
    ) -> None:
        self._settings = settings
        self._edge = edge
        self._routes = routes
        self._protection = protection
        self._cache = cache
        self._tls = tls
        self._snapshot = first_snapshot(settings.upstreams, settings.health_path)

    def build(self) -> None:
        """The table, by what is known now."""
        self._routes.policies = self._protection.policies
        self._edge.table = _build_table(self._routes, self._settings, self._snapshot)

    def take(self, message: Mapping[str, Any]) -> None:
        kind = message["type"]
        if kind == "snapshot":
            self._snapshot = Snapshot.from_message(message)
            if self._routes.reception is not None:
                self._routes.reception.admit(self._snapshot.keys)
            self.build()
        elif kind in ("policy", "jwks"):
            self._protection.hear(message)
            self.build()
        elif kind == "health":
            self._routes.probed(message["alive"])
        elif kind == "purge" and self._cache is not None:
            self._cache.clear()
        elif kind == "tls" and self._tls is not None:
            self._tls.use(Pair.from_message(message))


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
