"""A virtual clock and a network that fails on purpose: everything follows from the seed."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")


class Down(Exception):
    """Nobody listens there."""


@dataclass
class World:
    """`now` in seconds. `cut` holds pairs (from, to) that lose everything, `loss` is the share that any leg loses.
    `delay(a, b)` is one leg's time."""

    seed: int
    loss: float = 0.0
    now: float = 0.0
    cut: set[tuple[str, str]] = field(default_factory=set)
    legs: dict[tuple[str, str], float] = field(default_factory=dict)
    paused: dict[str, float] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    messages: int = 0
    _asleep: dict[str, list[Callable[[], None]]] = field(default_factory=dict)
    _heap: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0

    def __post_init__(self) -> None:
        self.dice = Random(self.seed)

    def at(self, when: float, call: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._heap, (max(when, self.now), self._count, call))

    def every(self, seconds: float, call: Callable[[], None], who: str = "") -> None:
        """From now on; while `who` is paused it is late, while it is down it is left out."""

        def turn() -> None:
            until = self.paused.get(who, 0.0)
            if until > self.now:
                self._asleep.setdefault(who, []).append(turn)
                self.at(until, lambda: self._wake(who))
                return
            if who not in self.down:
                call()
            self.at(self.now + seconds, turn)

        self.at(self.now + self.dice.uniform(0, seconds), turn)

    def resume(self, who: str) -> None:
        """SIGCONT, before the pause is over; or another process at its place."""
        self.paused.pop(who, None)
        self._wake(who)

    def _wake(self, who: str) -> None:
        if self.paused.get(who, 0.0) <= self.now:
            for turn in self._asleep.pop(who, ()):
                turn()

    def run(self, until: float) -> None:
        while self._heap and self._heap[0][0] <= until:
            self.now, _, call = heapq.heappop(self._heap)
            call()
        self.now = until

    def ask(
        self,
        source: str,
        target: str,
        handle: Callable[[], T],
        answered: Callable[[T], None],
        failed: Callable[[], None],
        timeout: float = 2.0,
    ) -> None:
        """One request. A machine without the process refuses at once; what is lost is noticed by the timeout."""
        self.messages += 1
        done = False

        def finish(call: Callable[..., None], *values: Any) -> None:
            nonlocal done
            if not done:
                done = True
                call(*values)

        def arrive() -> None:
            if (until := self.paused.get(target, 0.0)) > self.now:
                self.at(until, arrive)
            elif target in self.down:
                self._leg(target, source, lambda: finish(failed))
            else:
                try:
                    value = handle()
                except Down:
                    self._leg(target, source, lambda: finish(failed))
                    return
                self._leg(target, source, lambda: finish(answered, value))

        self._leg(source, target, arrive)
        self.at(self.now + timeout, lambda: finish(failed))

    def _leg(self, source: str, target: str, arrive: Callable[[], None]) -> None:
        if (source, target) in self.cut or (self.loss and self.dice.random() < self.loss):
            return
        mean = self.legs.get((source, target), 0.02)
        self.at(self.now + mean * self.dice.uniform(0.8, 1.5), arrive)

    def part(self, one: set[str], other: set[str]) -> None:
        self.cut |= {(a, b) for a in one for b in other} | {(b, a) for a in one for b in other}

    def heal(self) -> None:
        self.cut.clear()
