"""The edge's paths: which service a path belongs to, as a new `Table` for every worker list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edgeproxy.cluster.services import ALIASES
from edgeproxy.discovery.snapshot import STATIC_POOL, Endpoint, Snapshot
from edgeproxy.http.answer import OPENAI, PROBLEM
from edgeproxy.policy.balance import STRATEGIES, Strategy
from edgeproxy.policy.rules import PASS, PLAIN_ROUTE, RoutePolicy
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

# Agents show the coordinator's own secret there, and it judges them itself.
_USUAL_POLICIES: Mapping[str, RoutePolicy] = {"api": RoutePolicy(open=True, credentials=PASS)}

# The OpenAI clients' paths go on as they are.
_OPENAI_PREFIXES = ((b"/v1/embeddings", "rag-embeddings"), (b"/v1/", "llm-inference"))


class Routes:
    """Builds tables. What was observed of a worker and whose turn it is live here, from table to table."""

    def __init__(self, counters: Counters, strategy: str, health: bytes, replay_bytes: int = REPLAY_BYTES) -> None:
        self._counters = counters
        self._new_strategy = STRATEGIES[strategy]
        self._health = health
        self._replay_bytes = replay_bytes
        self._workers: dict[str, Worker] = {}
        self.policies: Mapping[str, RoutePolicy] = {}
        """What the operator asks of each route, by its name; for the tables from now on."""
        self._strategies: dict[str, Strategy] = {}

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
            exact={b"/health": self._local_health()},
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
        """What active health checks found, by endpoint id."""
        for identity, alive in verdicts.items():
            worker = self._workers.get(identity)
            if worker is not None:
                worker.probed(alive)

    def _keep(self, listed: Iterable[Endpoint], named: Iterable[Endpoint] = ()) -> None:
        """Workers that stay keep what is known of them; the connections of others run out by themselves. `named`
        are those that the operator wrote, who may be anywhere."""
        kept: dict[str, Worker] = {}
        named = list(named)
        for endpoint in (*listed, *named):
            worker = self._workers.get(endpoint.id)
            kept[endpoint.id] = worker or Worker(
                endpoint.id, endpoint.host, endpoint.port, endpoint.tls, endpoint.base_path.encode("ascii")
            )
        for endpoint in named:
            kept[endpoint.id].named = True
        self._workers = kept

    def _pool(self, name: str, endpoints: Iterable[Endpoint]) -> Pool:
        strategy = self._strategies.get(name)
        if strategy is None:
            strategy = self._strategies[name] = self._new_strategy()
        return Pool(name, [self._workers[endpoint.id] for endpoint in endpoints], strategy)

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

    def _local_health(self) -> Route:
        return Route("health", self._counters.route("health"), local=self._health)
