"""The end of every exchange, however it ended: counted once, and logged where the operator wants lines."""

from __future__ import annotations

from edgeproxy.clock import Clock
from edgeproxy.proxy.exchange import Exchange
from edgeproxy.proxy.pipeline import Guard
from edgeproxy.telemetry.access import AccessLog, line
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
            self.log.add(self.clock.now, _line(exchange, seconds))


def _line(exchange: Exchange, seconds: float) -> bytes:
    return line(
        exchange.head.method,
        exchange.path,
        exchange.status,
        exchange.route.name,
        seconds,
        exchange.bytes_in,
        exchange.bytes_out,
        exchange.answered_by,
        exchange.request_id,
        exchange.source.text,
        exchange.caller,
        exchange.fault.name if exchange.fault is not None else "",
        exchange.failovers,
    )
