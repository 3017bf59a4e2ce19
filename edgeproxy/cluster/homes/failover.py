"""What a worker does when its coordinator does not answer, and when it is back. Pure; nobody coordinates it.

    beat fails -> once more after RETRY -> its place in the herd -> claim at the backup -> the others, with jitter
    home says that it leaves, or another is nearer -> beats until its place in the herd -> claim where it is to go
                                                               home is well for long -> back, slowly

`step(now)` says what is to be done next and when; its outcome goes to `heard`, `missed`, `claimed` or `refused`.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, Literal

RETRY: Final = 0.25  # a lost packet is not a lost coordinator
JITTER_LEAST: Final = 0.5
JITTER_MOST: Final = 30.0
WELL_FOR: Final = 600.0  # that the old home must be there before we go back
WELL_MOST: Final = 7200.0  # it doubles with every time that it fell
BACK_SHARE: Final = 0.01  # of a population may go back in a second
SPREAD_MOST: Final = 60.0  # whatever the numbers that we were told: an orphan has this long

Action = Literal["beat", "claim"]


@dataclass(frozen=True, slots=True)
class Step:
    """At `at` (monotonic seconds) do this with the coordinator `name`."""

    at: float
    action: Action
    name: str


def place(worker: str, salt: str = "") -> float:
    """A worker's place in any herd, from 0 to 1: the same each time, and everybody has another."""
    return int.from_bytes(hashlib.blake2b(f"{worker} {salt}".encode(), digest_size=8).digest(), "big") / 2.0**64


def rendezvous(worker: str, names: Sequence[str], weights: dict[str, float] | None = None) -> list[str]:
    """The coordinators in this worker's own order: survivors share what one leaves by their weights."""

    def rank(name: str) -> tuple[float, str]:
        weight = max((weights or {}).get(name, 1.0), 1e-9)
        return -weight / -math.log(max(place(worker, name), 1e-300)), name

    return sorted(names, key=rank)


@dataclass(slots=True)
class Failover:
    """`home` is where we are registered; `preferred` where we were before it fell. `others` are the coordinators that
    we know, the best first: `others[0]` is the warm backup. `fallen`: the home is away, nobody hears us meanwhile."""

    worker: str
    home: str
    others: tuple[str, ...] = ()
    interval: float = 5.0
    dice: Random = field(default_factory=Random)
    workers: int = 0
    accept_rate: float = 2000.0
    preferred: str | None = None
    next_beat: float = 0.0
    epoch: int = 1
    fallen: bool = False
    _missed: int = 0
    _goal: str | None = None
    _claim_at: float | None = None
    _tried: int = 0
    _pause: float = JITTER_LEAST
    _falls: int = 0
    _well_since: float | None = None
    _back_at: float | None = None

    @property
    def backup(self) -> str | None:
        return self.others[0] if self.others else None

    @property
    def turn(self) -> Step | None:
        """Where to claim and when, if we are to go from our home."""
        if self._claim_at is not None:
            return Step(self._claim_at, "claim", self._target())
        if self._back_at is not None and self.preferred is not None:
            return Step(self._back_at, "claim", self.preferred)
        return None

    def step(self, now: float) -> Step:
        turn = self.turn
        if turn is None:
            return self._beat()
        return turn if self.fallen else min(turn, self._beat(), key=lambda step: step.at)

    def _beat(self) -> Step:
        return Step(self.next_beat, "beat", self.home)

    def heard(self, now: float, *, interval: float | None = None, workers: int = 0, accept_rate: float = 0.0) -> None:
        """The home answered a heartbeat; what it says of itself is for the day that it does not."""
        self._missed = 0
        self.interval = interval or self.interval
        self.workers = workers or self.workers
        self.accept_rate = accept_rate or self.accept_rate
        self.next_beat = now + self.interval * self.dice.uniform(0.9, 1.0)

    def missed(self, now: float) -> None:
        """A heartbeat was not answered, or its connection broke."""
        self._missed += 1
        if self._missed == 1 or not self.others:
            pause = RETRY if self._missed == 1 else self._next_pause()
            self.next_beat = now + pause
            return
        if self.preferred in (None, self.home):
            self.preferred = self.home
            self._falls += 1
        self._well_since = self._back_at = None
        turn = now + self._spread()
        if self._claim_at is None or turn < self._claim_at:
            self._tried, self._pause, self._claim_at = 0, JITTER_LEAST, turn
        self.fallen = True

    def drained(self, move_to: str, now: float) -> None:
        """The home says that it leaves, and where to go: in our turn, it hears us until then. Some day we are back."""
        if self._claim_at is None and move_to in self.others:
            self.preferred = self.preferred or self.home
            self._well_since = self._back_at = None
            self._head_for(move_to, now)

    def drawn(self, nearer: str, now: float) -> None:
        """Another is clearly nearer."""
        if self._claim_at is None and nearer in self.others:
            self._head_for(nearer, now)

    def _head_for(self, goal: str, now: float) -> None:
        self._goal, self._tried, self._pause = goal, 0, JITTER_LEAST
        self._claim_at = now + self._spread()

    def stayed(self) -> None:
        """Nobody would have us, and the home still hears us: it is our home as before."""
        if self._claim_at is not None and self.preferred == self.home:
            self.preferred = None
        self._claim_at = self._back_at = self._well_since = self._goal = None

    def claimed(self, name: str, now: float, interval: float | None = None) -> None:
        """We are registered at `name` now."""
        if name != self.home:
            self.others = tuple(other for other in (*self.others, self.home) if other != name)
            self.home = name
        if name == self.preferred:
            self.preferred = self._well_since = None
        self._claim_at, self._missed, self._back_at, self._tried = None, 0, None, 0
        self._goal, self.fallen = None, False
        self.interval = interval or self.interval
        self.next_beat = now + self.interval * self.dice.uniform(0.5, 1.0)

    def refused(self, name: str, now: float, retry_after: float = 0.0) -> None:
        """A claim did not go through: the next one, or the same later. Going back can wait."""
        if self._claim_at is None:
            self._back_at = self._well_since = None
            return
        self._tried += 1
        whole_round = self._tried % len(self._targets()) == 0
        pause = self._next_pause() if whole_round or retry_after > 0 else RETRY
        self._claim_at = now + max(pause, retry_after * self.dice.uniform(1.0, 1.5))

    def probed(self, name: str, well: bool, now: float) -> None:
        """Whether the home that we had before is there."""
        if name != self.preferred or self._claim_at is not None:
            return
        if not well:
            self._well_since = self._back_at = None
            return
        if self._well_since is None:
            self._well_since = now
        wait = min(WELL_FOR * 2.0 ** min(max(self._falls - 1, 0), 10), WELL_MOST)
        if now >= self._well_since + wait and self._back_at is None:
            self._back_at = now + place(self.worker, "back") / BACK_SHARE

    def next_epoch(self) -> int:
        """For the next registration: each is a newer life of our record."""
        self.epoch += 1
        return self.epoch

    def _targets(self) -> tuple[str, ...]:
        if self._goal is None:
            return (*self.others, self.home)
        return (self._goal, *(name for name in self.others if name != self._goal), self.home)

    def _target(self) -> str:
        targets = self._targets()
        return targets[self._tried % len(targets)]

    def _spread(self) -> float:
        """Our place among those who lost the same home, at the rate that a coordinator takes them."""
        return place(self.worker, self.home) * min(self.workers / max(self.accept_rate, 1.0), SPREAD_MOST)

    def _next_pause(self) -> float:
        """Decorrelated jitter."""
        self._pause = min(JITTER_MOST, self.dice.uniform(JITTER_LEAST, self._pause * 3))
        return self._pause
