"""What changed in the fleet, in order: the log that the change feed is read from. Pure.

Every change of a worker's record, status or assignment gets the next revision and one `Event`. A heartbeat
that says nothing new is no event. The log is level-triggered: an event names the worker, and the reader takes
the worker's record as it is now (or that it is gone), so that a slow reader needs each worker once only.

    log.mark                            "3f9c1a7e-4711": where the log is now; a reader's resume token
    log.since("3f9c1a7e-4700")          the events after it, oldest first; [] if there is nothing new;
                                        None if they are not known any more (the log dropped them, or the
                                        token is of another life of the coordinator): read the whole list
    cancel = log.listen(wake)           `wake()` is called once after every change (it must not raise or wait,
                                        and sees the change made): set an asyncio.Event there
    log.routing                         the mark of the last event by which edges route; an ETag of the list

Revisions rise by one and begin with 1 in each epoch; the epoch is new with every start, so that a token from
before a restart is never taken for one of now.
"""

import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final, Literal

MAX_EVENTS: Final = 10_000  # some 200 bytes each; at 100 changes a second a reader may be away for 100 seconds

Kind = Literal[
    "registered",  # new, or in again
    "changed",  # its record: URLs, what it runs, what it can do
    "status",  # starting, healthy, degraded, suspect, offline, draining
    "assigned",  # what it shall run
    "load",  # by a step of an eighth; edges do not route by it
    "left",  # it unregistered, or an operator removed it: gone
    "forgotten",  # it was offline for too long: gone
    "fleet",  # of the whole: caution begins or ends, the list is settled; no worker
]

GONE: Final = frozenset({"left", "forgotten"})
_ROUTED_BY: Final = frozenset({"registered", "changed", "status", "assigned", "left", "forgotten", "fleet"})


@dataclass(frozen=True, slots=True)
class Event:
    """One change. `status` is the worker's after it (None where there is no worker), `detail` is for people:
    why, in a few words."""

    revision: int
    kind: Kind
    at: datetime
    worker_id: str | None = None
    status: str | None = None
    detail: str = ""

    @property
    def routed_by(self) -> bool:
        """Whether edges should hear of it."""
        return self.kind in _ROUTED_BY


@dataclass(slots=True)
class EventLog:
    """A ring of the last `limit` events."""

    limit: int = MAX_EVENTS
    epoch: str = field(default_factory=lambda: secrets.token_hex(4))
    revision: int = 0
    routing_revision: int = 0
    _ring: deque[Event] = field(default_factory=deque)
    _listeners: list[Callable[[], None]] = field(default_factory=list)

    @property
    def mark(self) -> str:
        return f"{self.epoch}-{self.revision}"

    @property
    def routing(self) -> str:
        return f"{self.epoch}-{self.routing_revision}"

    def add(
        self, kind: Kind, at: datetime, worker_id: str | None = None, status: str | None = None, detail: str = ""
    ) -> Event:
        self.revision += 1
        event = Event(self.revision, kind, at, worker_id, status, detail)
        if event.routed_by:
            self.routing_revision = self.revision
        self._ring.append(event)
        if len(self._ring) > self.limit:
            self._ring.popleft()
        for wake in tuple(self._listeners):
            wake()
        return event

    def since(self, mark: str) -> list[Event] | None:
        """The events after a mark; None if the log does not reach back to it."""
        revision = self._revision_of(mark)
        if revision is None or not self.revision - len(self._ring) <= revision <= self.revision:
            return None
        return list(islice(reversed(self._ring), self.revision - revision))[::-1]

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Be woken after every change until the returned function is called."""
        self._listeners.append(wake)
        return lambda: self._listeners.remove(wake)

    def _revision_of(self, mark: str) -> int | None:
        epoch, _, digits = mark.partition("-")
        if epoch != self.epoch or not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
            return None
        return int(digits)
