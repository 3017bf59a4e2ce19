"""Per-process counts: plain ints and lists on the request's way, summed over processes by the supervisor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Upper bounds of the duration histogram in seconds (those of OpenTelemetry's HTTP metrics)."""

_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})


class RouteCounts:
    """Counts of one route."""

    __slots__ = ("_answers", "_method", "_run", "_status", "buckets", "bytes_in", "bytes_out", "seconds")

    def __init__(self) -> None:
        self._answers: dict[tuple[bytes, int], int] = {}
        # Answers alike follow each other: such a run is one number, and reaches the table when it ends.
        self._method = b""
        self._status = 0
        self._run = 0
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0
        self.bytes_in = 0
        self.bytes_out = 0

    def add(self, method: bytes, status: int, seconds: float, bytes_in: int, bytes_out: int) -> None:
        if method == self._method and status == self._status:
            self._run += 1
        else:
            self._end_run()
            self._method, self._status, self._run = method, status, 1
        bucket = 0
        while bucket < len(BUCKETS) and seconds > BUCKETS[bucket]:
            bucket += 1
        self.buckets[bucket] += 1
        self.seconds += seconds
        self.bytes_in += bytes_in
        self.bytes_out += bytes_out

    def _end_run(self) -> None:
        if self._run:
            key = (self._method if self._method in _METHODS else b"_OTHER", self._status)
            self._answers[key] = self._answers.get(key, 0) + self._run
            self._run = 0

    @property
    def answers(self) -> dict[tuple[bytes, int], int]:
        """(method, status) -> exchanges; other methods count as `_OTHER`, so that peers cannot grow it."""
        self._end_run()
        return self._answers

    def as_message(self) -> dict[str, Any]:
        return {
            "answers": [[method.decode("ascii"), status, count] for (method, status), count in self.answers.items()],
            "buckets": self.buckets,
            "seconds": self.seconds,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
        }


class Counters:
    """All counts of a process. `faults` are failures by name, the ones before any route was known included; `callers`
    are exchanges by the name of the key that was shown; `events` are what balancing did and saw, attempts that failed
    among them, whether or not a user noticed."""

    __slots__ = (
        "cache_bytes",
        "cache_hits",
        "cache_misses",
        "callers",
        "connections",
        "events",
        "faults",
        "open_connections",
        "routes",
    )

    def __init__(self) -> None:
        self.routes: dict[str, RouteCounts] = {}
        self.faults: dict[str, int] = {}
        self.events: dict[str, int] = {}
        self.cache_hits = self.cache_misses = self.cache_bytes = 0
        self.callers: dict[str, int] = {}
        self.connections = 0
        self.open_connections = 0

    def route(self, name: str) -> RouteCounts:
        counts = self.routes.get(name)
        if counts is None:
            counts = self.routes[name] = RouteCounts()
        return counts

    def fault(self, name: str) -> None:
        self.faults[name] = self.faults.get(name, 0) + 1

    def event(self, name: str) -> None:
        self.events[name] = self.events.get(name, 0) + 1

    def as_message(self) -> dict[str, Any]:
        """For the pipe to the supervisor: cumulative counts as plain JSON."""
        return {
            "type": "counters",
            "routes": {name: counts.as_message() for name, counts in self.routes.items()},
            "faults": self.faults,
            "events": self.events,
            "cache": [self.cache_hits, self.cache_misses, self.cache_bytes],
            "callers": self.callers,
            "connections": self.connections,
            "open_connections": self.open_connections,
        }


def total(messages: Iterable[Mapping[str, Any]]) -> Counters:
    """The sum of several processes' messages."""
    summed = Counters()
    for message in messages:
        hits, misses, held = message["cache"]
        summed.cache_hits += hits
        summed.cache_misses += misses
        summed.cache_bytes += held
        summed.connections += message["connections"]
        summed.open_connections += message["open_connections"]
        for name, count in message["faults"].items():
            summed.faults[name] = summed.faults.get(name, 0) + count
        for name, count in message["callers"].items():
            summed.callers[name] = summed.callers.get(name, 0) + count
        for name, count in message["events"].items():
            summed.events[name] = summed.events.get(name, 0) + count
        for name, route in message["routes"].items():
            _add_route(summed.route(name), route)
    return summed


def _add_route(counts: RouteCounts, message: Mapping[str, Any]) -> None:
    for method, status, count in message["answers"]:
        key = (method.encode("ascii"), status)
        counts.answers[key] = counts.answers.get(key, 0) + count
    counts.buckets = [mine + theirs for mine, theirs in zip(counts.buckets, message["buckets"], strict=True)]
    counts.seconds += message["seconds"]
    counts.bytes_in += message["bytes_in"]
    counts.bytes_out += message["bytes_out"]
