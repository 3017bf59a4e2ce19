"""Where requests go: one immutable `Table` a configuration, swapped whole; requests in flight keep theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgeproxy.http.answer import PROBLEM
from edgeproxy.policy.affinity import KeyReader
from edgeproxy.policy.balance.base import Strategy
from edgeproxy.policy.rules import PLAIN_ROUTE, RoutePolicy
from edgeproxy.policy.traffic import Traffic
from edgeproxy.policy.worker import Worker
from edgeproxy.telemetry.counters import RouteCounts

_SERVICE = b"/service/"
REPLAY_BYTES = 1024 * 1024


class Pool:
    """Equal workers and the strategy that chooses among them.

    `traffic` lives longer than the pool: as long as the process. `reader` finds the key of a request by which the
    strategy keeps like ones together; with `reads_body`, in the first bytes of its body.
    """

    __slots__ = ("name", "reader", "reads_body", "strategy", "traffic", "workers")

    def __init__(
        self,
        name: str,
        workers: Sequence[Worker],
        strategy: Strategy,
        traffic: Traffic | None = None,
        reader: KeyReader | None = None,
        *,
        reads_body: bool = False,
    ) -> None:
        self.name = name
        self.workers = list(workers)
        self.strategy = strategy
        self.traffic = traffic or Traffic()
        self.reader = reader
        self.reads_body = reads_body


class Route:
    """What happens to the requests of one kind.

    `strip` is how many bytes of the path are the edge's own and go no further. `idempotent` are paths, as sent
    to the worker and without query, whose POST may be repeated, since it only costs compute (RFC 9110 section
    9.2.2). `trusted` upstreams may send fields that speak for the whole site. `local` is the body of an answer
    that needs no worker; a `reception` beside it takes the connection over instead. `replay_bytes` of a request
    body are kept for another attempt; a larger one is sent once. `policy` is what is asked of them before they go
    on. `counts` live longer than the route: as long as the process.
    """

    __slots__ = (
        "counts",
        "dialect",
        "idempotent",
        "local",
        "name",
        "policy",
        "pool",
        "reception",
        "replay_bytes",
        "strip",
        "trusted",
    )

    def __init__(
        self,
        name: str,
        counts: RouteCounts,
        pool: Pool | None = None,
        *,
        strip: int = 0,
        dialect: str = PROBLEM,
        idempotent: frozenset[bytes] = frozenset(),
        trusted: bool = False,
        local: bytes | None = None,
        reception: Any = None,
        policy: RoutePolicy = PLAIN_ROUTE,
        replay_bytes: int = REPLAY_BYTES,
    ) -> None:
        self.name = name
        self.counts = counts
        self.pool = pool
        self.strip = strip
        self.dialect = dialect
        self.idempotent = idempotent
        self.trusted = trusted
        self.local = local
        self.reception = reception
        self.policy = policy
        self.replay_bytes = replay_bytes


class Table:
    """Routes by path. `everything` (stand-alone proxy and balancer) takes every path; else `services` are the
    routes of `/service/{name}/...` by name, `prefixes` are tried in their order, and `nowhere` is left."""

    __slots__ = ("everything", "exact", "nowhere", "prefixes", "services")

    def __init__(
        self,
        nowhere: Route,
        everything: Route | None = None,
        *,
        exact: Mapping[bytes, Route] | None = None,
        services: Mapping[bytes, Route] | None = None,
        prefixes: Sequence[tuple[bytes, Route]] = (),
    ) -> None:
        self.nowhere = nowhere
        self.everything = everything
        self.exact = dict(exact or {})
        self.services = dict(services or {})
        self.prefixes = list(prefixes)

    def match(self, path: bytes) -> Route:
        """The route of a path without its query."""
        if self.everything is not None:
            return self.everything
        if self.services and path.startswith(_SERVICE):
            end = path.find(b"/", len(_SERVICE))
            return self.services.get(path[len(_SERVICE) :] if end < 0 else path[len(_SERVICE) : end], self.nowhere)
        route = self.exact.get(path)
        if route is not None:
            return route
        for prefix, candidate in self.prefixes:
            if path.startswith(prefix):
                return candidate
        return self.nowhere
