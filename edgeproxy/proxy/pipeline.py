"""What is decided about a request before anything waits: match, guard, answer from here, or go on to a worker."""

from __future__ import annotations

from edgeproxy.errors import NO_ROUTE, Fault
from edgeproxy.proxy.exchange import Exchange
from edgeproxy.proxy.table import Table


def guard(exchange: Exchange, table: Table) -> Fault | None:
    """Why the request goes no further, or None."""
    return NO_ROUTE if exchange.route is table.nowhere else None
