"""Connections at rest: a stack a worker, the warmest on top, watched while they rest.

A resting connection keeps its reader, so that a worker's close removes it at once; what is left of the keep-alive
race (RFC 9112 section 9.5) is `forward`'s business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeproxy.net.limits import FRESH_ENOUGH, MAX_IDLE_PER_WORKER
from edgeproxy.policy.worker import Worker

if TYPE_CHECKING:
    from edgeproxy.net.upstream import UpstreamConnection


def put(connection: UpstreamConnection) -> None:
    """Lay a connection to rest, or close it where enough are resting."""
    worker = connection.worker
    edge = connection.edge
    if len(worker.idle) >= MAX_IDLE_PER_WORKER or edge.draining:
        connection.close()
        return
    now = edge.now()
    connection.resume_reading()
    connection.idle_since = now
    connection.read_deadline = now + worker.idle_limit
    worker.idle.append(connection)


def take(worker: Worker, now: float, repeatable: bool) -> UpstreamConnection | None:
    """The warmest connection that is fit for use. A request that must not be sent twice gets only one that
    rested for a moment, since an old one may be closing at the other end just now."""
    idle = worker.idle
    while idle:
        connection: UpstreamConnection = idle.pop()  # type: ignore[assignment]  # see Worker.idle
        age = now - connection.idle_since
        if age >= worker.idle_limit or connection.transport.is_closing():
            connection.close()
            continue
        if not repeatable and age >= FRESH_ENOUGH:
            idle.append(connection)
            return None
        connection.idle_age = age
        connection.reused = True
        return connection
    return None


def forget(connection: UpstreamConnection) -> None:
    """A resting connection has ended."""
    if connection in connection.worker.idle:
        connection.worker.idle.remove(connection)
