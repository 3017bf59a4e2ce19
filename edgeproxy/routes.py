"""The edge's paths: which service a path belongs to, as a new `Table` for every worker list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import Any

from edgeproxy.cluster.services import ALIASES
from edgeproxy.discovery.snapshot import STATIC_POOL, Endpoint, Snapshot
from edgeproxy.http.answer import OPENAI, PROBLEM
from edgeproxy.net import reverse
from edgeproxy.net.reverse import Reception
from edgeproxy.policy.balance import Strategy
from edgeproxy.policy.balance.choice import Balancing
from edgeproxy.policy.rules import PASS, PLAIN_ROUTE, RoutePolicy
from edgeproxy.policy.shed import HIGH
from edgeproxy.policy.traffic import Traffic
from edgeproxy.policy.worker import Worker
from edgeproxy.proxy.table import REPLAY_BYTES, Pool, Route, Table
from edgeproxy.telemetry.counters import Counters

COORDINATOR = "coordinator"
"""The pool behind `/api/`."""

# POSTs that compute and store nothing: sending one twice costs time, not truth (RFC 9110 section 9.2.2).
_IDEMPOTENT: Mapping[str, frozenset[bytes]] = {
    "llm-inference": frozenset({b"/v1/chat/completions", b"/v1/completions"}),
    "rag-embeddings": frozenset({b"/v1/embeddings"}),
    "document-processing": frozenset({b"/process"}),
    "vision-ocr": frozenset({b"/process", b"/ocr"}),
}
_NONE: frozenset[bytes] = frozenset()

# Agents show the coordinator's own secret there, and it judges them itself; machines that dial in have their own token.
_USUAL_POLICIES: Mapping[str, RoutePolicy] = {
    "api": RoutePolicy(open=True, credentials=PASS),
    "reverse": RoutePolicy(open=True, priority=HIGH),
}

# The OpenAI clients' paths go on as they are.
_OPENAI_PREFIXES = ((b"/v1/embeddings", "rag-embeddings"), (b"/v1/", "llm-inference"))


class Routes:
    """Builds tables. What was observed of a worker and whose turn it is live here, from table to table."""

    def __init__(
        self,
        counters: Counters,
        balancing: Balancing,
        health: bytes,
        replay_bytes: int = REPLAY_BYTES,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self.reception: Reception | None = None
        self._counters = counters
        self._balancing = balancing
        self._health = health
        self._replay_bytes = replay_bytes
        self._now = now
        self._workers: dict[str, Worker] = {}
        self.policies: Mapping[str, RoutePolicy] = {}
        """What the operator asks of each route, by its name; for the tables from now on."""
        self._strategies: dict[str, Strategy] = {}
        self._traffic: dict[str, Traffic] = {}
        self._alive: Mapping[str, bool] = {}

    def edge(self, snapshot: Snapshot, coordinators: Iterable[Endpoint]) -> Table:
        """Paths of the edge proxy: `/service/{name}/...`, `/v1/...`, `/api/...`, `/health`."""
        coordinators = list(coordinators)
        self._keep(snapshot.all_endpoints(), named=coordinators)
        pools = {name: self._pool(name, snapshot.endpoints.get(name, ())) for name in snapshot.known_services}
        services = {name.encode(): self._service(name, name, pool) for name, pool in pools.items()}
        for alias, name in ALIASES.items():
            if name in pools and alias not in pools:
                services[alias.encode()] = self._service(alias, name, pools[name])
        prefixes = [
            (prefix, self._route(name, pools[name], dialect=OPENAI))
            for prefix, name in _OPENAI_PREFIXES
            if name in pools
        ]
        api = self._trusted("api", self._pool(COORDINATOR, coordinators))
        return Table(
            self._nowhere(),
            exact={b"/health": self._local_health(), **self._dial_in()},
            services=services,
            prefixes=[*prefixes, (b"/api/", api)],
        )

    def balancer(self, snapshot: Snapshot, service: str) -> Table:
        """Every path but `/health` goes to the workers of one service."""
        self._keep(snapshot.all_endpoints())
        pool = self._pool(service, snapshot.endpoints.get(service, ()))
        return Table(
            self._nowhere(), exact={b"/health": self._local_health()}, prefixes=[(b"/", self._route(service, pool))]
        )

    def stand_alone(self, snapshot: Snapshot) -> Table:
        """Every path goes to the upstreams that the operator named, who trusts them."""
        self._keep((), named=snapshot.all_endpoints())
        pool = self._pool(STATIC_POOL, snapshot.endpoints.get(STATIC_POOL, ()))
        return Table(self._nowhere(), self._trusted(STATIC_POOL, pool))

    def probed(self, verdicts: Mapping[str, bool]) -> None:
        """What active health checks found, by endpoint id: all that is known, also of workers that are yet to come."""
        self._alive = dict(verdicts)
        for identity, alive in verdicts.items():
            worker = self._workers.get(identity)
            if worker is not None and (worker.unproven or worker.probed_down is alive):
                worker.probed(alive, self._now())

    def seen(self) -> list[list[Any]]:
        """What was observed of each worker so far: `[id, sent, failed, seconds to the first byte, left out]`."""
        now = self._now()
        return [
            [worker.id, worker.sent, worker.failed, round(worker.expected(now), 6), now < worker.left_out_until]
            for worker in self._workers.values()
            if worker.sent
        ]

    def _keep(self, listed: Iterable[Endpoint], named: Iterable[Endpoint] = ()) -> None:
        """Workers that stay keep what is known of them; the connections of others run out by themselves. `named`
        are those that the operator wrote, who may be anywhere."""
        kept: dict[str, Worker] = {}
        named = list(named)
        for endpoint in (*listed, *named):
            worker = kept[endpoint.id] = self._workers.get(endpoint.id) or self._new_worker(endpoint)
            worker.weight = endpoint.weight
            worker.slots = self._balancing.slots(endpoint.slots)
        for endpoint in named:
            kept[endpoint.id].named = True
        if self.reception is not None:
            self.reception.forget(worker for identity, worker in self._workers.items() if identity not in kept)
        self._workers = kept

    def _new_worker(self, endpoint: Endpoint) -> Worker:
        """Nobody is sent to it before an active check has seen it alive, unless there is nobody else. Coordinators are
        not checked; of a machine that dials in we know by its connections."""
        base_path = endpoint.base_path.encode("ascii")
        if endpoint.machine and self.reception is not None:
            return self.reception.lobby(endpoint.machine).service(endpoint.id, base_path)
        worker = Worker(endpoint.id, endpoint.host, endpoint.port, endpoint.tls, base_path)
        alive = self._alive.get(endpoint.id)
        if alive is not None:
            worker.probed(alive, self._now())
        elif endpoint.service != COORDINATOR:
            worker.unproven = True
        return worker

    def _pool(self, name: str, endpoints: Iterable[Endpoint]) -> Pool:
        """Of a service that was seen before, everything that was learnt goes on."""
        if name not in self._strategies:
            self._strategies[name] = self._balancing.strategy(name)
            self._traffic[name] = self._balancing.traffic()
        reader, reads_body = self._balancing.reader(name)
        return Pool(
            name,
            [self._workers[endpoint.id] for endpoint in endpoints],
            self._strategies[name],
            self._traffic[name],
            reader,
            reads_body=reads_body,
        )

    def _route(self, service: str, pool: Pool, *, strip: int = 0, dialect: str = PROBLEM) -> Route:
        return Route(
            service,
            self._counters.route(service),
            pool,
            strip=strip,
            dialect=dialect,
            idempotent=_IDEMPOTENT.get(service, _NONE),
            policy=self._policy(service),
            replay_bytes=self._replay_bytes,
        )

    def _service(self, shown: str, service: str, pool: Pool) -> Route:
        return self._route(service, pool, strip=len("/service/") + len(shown))

    def _trusted(self, name: str, pool: Pool) -> Route:
        return Route(
            name,
            self._counters.route(name),
            pool,
            trusted=True,
            replay_bytes=self._replay_bytes,
            policy=self._policy(name),
        )

    def _nowhere(self) -> Route:
        return Route("none", self._counters.route("none"), policy=self._policy("none"))

    def _policy(self, name: str) -> RoutePolicy:
        return self.policies.get(name) or _USUAL_POLICIES.get(name, PLAIN_ROUTE)

    def _dial_in(self) -> dict[bytes, Route]:
        if self.reception is None:
            return {}
        counts, policy = self._counters.route("reverse"), self._policy("reverse")
        return {reverse.PATH: Route("reverse", counts, local=b"", reception=self.reception, policy=policy)}

    def _local_health(self) -> Route:
        return Route("health", self._counters.route("health"), local=self._health)
