"""Where requests go: one immutable `Table` a configuration, swapped whole; requests in flight keep theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgeproxy.http.answer import PROBLEM
from edgeproxy.policy.balance import Strategy
from edgeproxy.policy.worker import Worker


@dataclass(frozen=True, slots=True)
class Pool:
    """Equal workers and the strategy that chooses among them."""

    name: str
    workers: Sequence[Worker]
    strategy: Strategy

    def pick(self, now: float, tried: Sequence[Worker]) -> Worker | None:
        return self.strategy.pick(self.workers, now, tried)


@dataclass(frozen=True, slots=True)
class Route:
    """What happens to the requests of one kind.

    `strip` is how many bytes of the path are the edge's own and go no further. `idempotent` declares that
    repeating any request here only costs compute (RFC 9110 section 9.2.2). `trusted` upstreams may send fields
    that speak for the whole site. `local` is the body of an answer that needs no worker.
    """

    name: str
    pool: Pool | None = None
    strip: int = 0
    dialect: str = PROBLEM
    idempotent: frozenset[bytes] = frozenset()
    """Paths, as sent to the worker and without query, whose POST is declared idempotent."""
    trusted: bool = False
    local: bytes | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Routes by path. `everything` (stand-alone proxy and balancer) takes every path."""

    everything: Route | None = None
    exact: Mapping[bytes, Route] = field(default_factory=dict)
    services: Mapping[bytes, Route] = field(default_factory=dict)
    """`/service/{name}/...` by name, aliases included."""
    prefixes: Sequence[tuple[bytes, Route]] = ()
    """The longest first."""

    def match(self, path: bytes) -> Route | None:
        """The route of a path without its query, or None."""
        if self.everything is not None:
            return self.everything
        if path.startswith(b"/service/"):
            end = path.find(b"/", 9)
            return self.services.get(path[9:] if end < 0 else path[9:end])
        route = self.exact.get(path)
        if route is not None:
            return route
        for prefix, candidate in self.prefixes:
            if path.startswith(prefix):
                return candidate
        return None
