"""What all connections of one process share: the table, the limits, the clock, and the sweep of deadlines."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from typing import Protocol

from edgeproxy.cache.store import Store
from edgeproxy.clock import Clock, DateField
from edgeproxy.net.departures import Departures
from edgeproxy.net.door import Door
from edgeproxy.net.limits import Limits
from edgeproxy.policy.rules import Rules
from edgeproxy.proxy.forward import Dialer, Forwarder
from edgeproxy.proxy.observe import Observer
from edgeproxy.proxy.pipeline import Guard
from edgeproxy.proxy.table import Table


def _no_guard(clock: Clock) -> Guard:
    return Guard(clock, Rules())


SWEEP_SECONDS = 0.25
"""How exactly deadlines are kept. One sweep over all connections costs less than a timer a request."""


_LOW_DIGITS = [b"%02x" % number for number in range(256)]


class Swept(Protocol):
    """A connection with deadlines."""

    read_deadline: float
    write_deadline: float

    def due(self, now: float) -> None:
        """One of the deadlines has passed."""

    def drain(self) -> None:
        """The process is leaving: end now if at rest, else with the exchange."""

    def abort(self) -> None:
        """End now, whatever is under way."""


class Edge:
    """One serving process."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        table: Table,
        limits: Limits,
        observer: Observer,
        dialer: Dialer,
        report: Callable[[str], None],
        tls: ssl.SSLContext | None = None,
        cache: Store | None = None,
        guard: Callable[[Clock], Guard] = _no_guard,
        door: Door | None = None,
    ) -> None:
        self.loop = loop
        self.clock = observer.clock
        self.guard = observer.guard = guard(self.clock)
        self.door = door or Door()
        self.table = table
        self.limits = limits
        self.observer = observer
        self.counters = observer.counters
        self.dialer = dialer
        self.cache = cache
        self.forwarder = Forwarder(dialer, self.clock, report, loop.call_later, observer.counters)
        self.date = DateField()
        self.draining = False
        self.scheme = b"https" if tls else b"http"
        self.clients: set[Swept] = set()
        self.upstreams: set[Swept] = set()
        self.departures = Departures(loop)
        self._id_prefix = os.urandom(6).hex().encode("ascii") + b"-"
        self._ids = 0
        self._id_block = b""  # the prefix and all but the last two digits of the count
        self._sweeper: asyncio.TimerHandle | None = None
        self._sweep_due = 0.0
        self._turn_began = 0.0
        self._turn = 0.0

    def new_request_id(self) -> bytes:
        """Unique in the fleet: 48 random bits of this process, and a count."""
        low = self._ids & 255
        if low == 0:
            self._id_block = b"%b%x" % (self._id_prefix, self._ids >> 8)
        self._ids += 1
        return self._id_block + _LOW_DIGITS[low]

    def start(self) -> None:
        self._sweeper = self.loop.call_later(SWEEP_SECONDS, self._sweep)
        self._sweep_due = self.clock.tick() + SWEEP_SECONDS

    def stop(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        self.departures.close()

    def drain(self) -> None:
        for connection in [*self.clients, *self.upstreams]:
            connection.drain()

    def abort(self) -> None:
        for connection in [*self.clients, *self.upstreams]:
            connection.abort()

    def _due(self, connection: Swept, now: float) -> None:
        try:
            connection.due(now)
        except Exception as error:  # a mistake of ours in one connection costs that one
            self.loop.call_exception_handler({"message": "a deadline could not be kept", "exception": error})
            connection.abort()

    def _sweep(self) -> None:
        now = self.clock.tick()
        self.guard.shed.observed(max(now - self._sweep_due, self._turn))
        self.start()  # first, so that a failure in here is not the last sweep
        self.loop.call_soon(self._turn_begins)
        self.door.look()
        for connections in (self.clients, self.upstreams):
            overdue = [each for each in connections if each.read_deadline <= now or each.write_deadline <= now]
            for connection in overdue:
                self._due(connection, now)
        if self.observer.log is not None:
            self.observer.log.flush()

    def _turn_begins(self) -> None:
        """From here until the same place in the loop's next turn."""
        self._turn_began = self.clock.tick()
        self.loop.call_soon(self._turn_ends)

    def _turn_ends(self) -> None:
        self._turn = self.clock.tick() - self._turn_began
