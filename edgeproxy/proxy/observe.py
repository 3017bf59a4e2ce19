"""The end of every exchange, however it ended: counted once, and logged where the operator wants lines."""

from __future__ import annotations

from edgeproxy.clock import Clock
from edgeproxy.proxy.exchange import Exchange
from edgeproxy.proxy.pipeline import Guard
from edgeproxy.telemetry.access import AccessLog
from edgeproxy.telemetry.counters import Counters


class Observer:
    """Sees each exchange when it is over."""

    def __init__(self, counters: Counters, log: AccessLog | None, clock: Clock) -> None:
        self.counters = counters
        self.clock = clock
        self.log = log
        self.guard: Guard | None = None  # of the edge whose exchanges these are

    def ended(self, exchange: Exchange) -> None:
        seconds = self.clock.now - exchange.started
        exchange.route.counts.add(exchange.head.method, exchange.status, seconds, exchange.bytes_in, exchange.bytes_out)
        if exchange.fault is not None:
            self.counters.fault(exchange.fault.name)
        if self.guard is not None:
            self.guard.ended(exchange)
        if self.log is not None:
            self.log.add(_record(exchange, seconds))


def _record(exchange: Exchange, seconds: float) -> dict[str, object]:
    """Names of OpenTelemetry's HTTP conventions; the path goes without its query, which may hold secrets."""
    return {
        "http.request.method": exchange.head.method.decode("ascii"),
        "url.path": exchange.path.decode("ascii"),
        "http.response.status_code": exchange.status,
        "http.route": exchange.route.name,
        "duration_s": int(seconds * 1e6 + 0.5) / 1e6,
        "request_bytes": exchange.bytes_in,
        "response_bytes": exchange.bytes_out,
        "worker": exchange.answered_by,
        "request_id": exchange.request_id.decode("latin-1"),
        "client.address": exchange.source.text,
        "enduser.id": exchange.caller or None,
        "fault": exchange.fault.name if exchange.fault is not None else None,
        "failovers": exchange.failovers,
    }
