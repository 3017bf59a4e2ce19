"""Connections at rest: a stack a worker, the warmest on top, watched while they rest.

A resting connection keeps its reader, so that a worker's close removes it at once; what is left of the keep-alive
race (RFC 9112 section 9.5) is `forward`'s business.
"""

from __future__ import annotations

from edgeproxy.clock import FOREVER
from edgeproxy.net.connection import Connection
from edgeproxy.net.edge import Edge
from edgeproxy.net.limits import FRESH_ENOUGH
from edgeproxy.policy.worker import Worker


class PooledConnection(Connection):
    """A connection to a worker that can be laid to rest between two exchanges, until `last_rest`."""

    __slots__ = ("idle_age", "idle_since", "last_rest", "worker")

    def __init__(self, edge: Edge, worker: Worker) -> None:
        Connection.__init__(self, edge)
        self.worker = worker
        self.idle_since = FOREVER
        self.last_rest = edge.clock.now + edge.limits.upstream_lifetime
        self.idle_age = 0.0  # how long it had rested when it was last taken

    def rest(self) -> None:
        """Lay it to rest, or close it where enough are resting."""
        worker, limits, now = self.worker, self.edge.limits, self.edge.clock.now
        if len(worker.idle) >= limits.upstream_resting or now >= self.last_rest or self.edge.draining:
            self.close()
            return
        self.resume_reading()
        self.idle_since = now
        self.read_deadline = now + min(worker.idle_limit, limits.upstream_idle)
        worker.idle.append(self)

    def forget(self) -> None:
        """It has ended, perhaps while it rested."""
        if self in self.worker.idle:
            self.worker.idle.remove(self)


def take(worker: Worker, now: float, repeatable: bool) -> PooledConnection | None:
    """The warmest connection that is fit for use. A request that must not be sent twice gets only one that
    rested for a moment, since an old one may be closing at the other end just now."""
    idle = worker.idle
    while idle:
        connection: PooledConnection = idle.pop()  # type: ignore[assignment]  # see Worker.idle
        age = now - connection.idle_since
        if (
            age >= worker.idle_limit
            or now >= connection.read_deadline
            or connection.closing
            or connection.transport.is_closing()
        ):
            connection.close()
            continue
        if not repeatable and age >= FRESH_ENOUGH:
            idle.append(connection)
            return None
        connection.idle_age = age
        connection.reused = True
        return connection
    return None
