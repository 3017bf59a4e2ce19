"""Where to ask for the coordinators, when those that we know do not answer. Pure.

0 the signed list on disk        always there, says who to ask
1 the regional coordinators      the nearest first
2 the primary, and the seeds     by the bundle, and by COORDINATOR_URL
3 the emergency store            read by a budget that the whole fleet shares
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from edgeproxy.cluster.homes.directory import Directory
from edgeproxy.cluster.homes.failover import place, rendezvous

READS_A_DAY: Final = 80_000  # of the free plan's 100,000; the rest is for whoever looks by hand
READ_LEAST: Final = 60.0
ROUND_LEAST: Final = 0.5
ROUND_MOST: Final = 30.0
BREAK_AFTER: Final = 3  # failures in a row; then it is asked last, for REST seconds
REST: Final = 30.0


@dataclass(slots=True)
class Chain:
    """`seeds` is what the operator configured here; `who` makes our order our own."""

    who: str
    seeds: tuple[str, ...]
    directory: Directory | None = None
    nearest: tuple[str, ...] = ()
    dice: Random = field(default_factory=Random)
    _failures: dict[str, int] = field(default_factory=dict)
    _rests: dict[str, float] = field(default_factory=dict)
    _round: float = ROUND_LEAST
    _next_round: float = float("-inf")
    _next_read: float | None = None

    def urls(self, now: float) -> list[str]:
        """Whom to ask, in order; those that failed again and again come last."""
        found = list(dict.fromkeys([*self._regional(), *self._primary(), *self.seeds]))
        return sorted(found, key=lambda url: self._rests.get(url, float("-inf")) > now)

    def answered(self, url: str) -> None:
        self._failures.pop(url, None)
        self._rests.pop(url, None)
        self._round, self._next_round = ROUND_LEAST, float("-inf")

    def failed(self, url: str, now: float) -> None:
        self._failures[url] = self._failures.get(url, 0) + 1
        if self._failures[url] >= BREAK_AFTER:
            self._rests[url] = now + REST

    def nobody(self, now: float) -> float:
        """All were asked in vain: when to ask again."""
        known = set(self.urls(now))
        self._failures = {url: count for url, count in self._failures.items() if url in known}
        self._rests = {url: until for url, until in self._rests.items() if url in known}
        self._next_round = now + self.dice.uniform(self._round / 2, self._round)
        self._round = min(ROUND_MOST, self._round * 2)
        return self._next_round

    def may_read_store(self, now: float) -> bool:
        """Whether it is our turn to look into the emergency store; true at most once an interval. The first turn is
        by our place: after a blackout not everybody looks at once."""
        if self._next_read is None:
            self._next_read = now + READ_LEAST * place(self.who, "store")
        if now < self._next_read:
            return False
        self._next_read = now + self.store_interval * self.dice.uniform(1.0, 1.2)
        return True

    @property
    def store_interval(self) -> float:
        readers = self.directory.bundle.readers if self.directory else 1
        return max(READ_LEAST, readers * 86_400 / READS_A_DAY)

    def learned(self, directory: Directory) -> bool:
        """A list from wherever; False if ours is as new."""
        mine = self.directory
        if mine is not None:
            if directory.bundle.version < mine.bundle.version:
                return False
            if directory.essence == mine.essence:
                return False
        self.directory = directory
        return True

    def _regional(self) -> Sequence[str]:
        if self.directory is None:
            return ()
        urls = {c.url for c in self.directory.certificates.values() if c.role == "regional"}
        near = [url for url in self.nearest if url in urls]
        return [*near, *rendezvous(self.who, sorted(urls.difference(near)))]

    def _primary(self) -> Sequence[str]:
        if self.directory is None:
            return ()
        primaries = [c.url for c in self.directory.certificates.values() if c.role == "primary"]
        return [*sorted(primaries), *self.directory.bundle.seeds]
