"""What is decided about a request before anything waits: match, guard, answer from here, or go on to a worker."""

from __future__ import annotations

from edgeproxy.errors import NO_ROUTE, Fault
from edgeproxy.http.request import RequestHead
from edgeproxy.proxy.table import Route, Table

NOWHERE = Route("none")
"""The route of requests that match none: what observes them still finds a name."""


def match(head: RequestHead, table: Table) -> Route:
    """The request's route by its path, NOWHERE where there is none."""
    return table.match(head.target.partition(b"?")[0]) or NOWHERE


def guard(route: Route) -> Fault | None:
    """Why the request goes no further, or None."""
    return NO_ROUTE if route is NOWHERE else None
