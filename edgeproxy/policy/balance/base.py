# cython: cdivision=True
"""What strategies have in common. The inside of `pick` is on every request's way and allocates nothing."""

from __future__ import annotations

from collections.abc import Sequence

from edgeproxy.policy.hashing import Dice
from edgeproxy.policy.worker import Worker

FULL_SCAN = 64
"""Workers up to which all are compared; of more, two at random (Mitzenmacher 2001)."""
_FULL_SCAN = FULL_SCAN  # typed


class Strategy:
    """Chooses one of a pool's workers."""

    __slots__ = ()

    def pick(self, workers: list[Worker], now: float, tried: list[Worker] | None, key: int = 0) -> Worker | None:
        """A worker that is available at `now` (monotonic seconds) and not in `tried`; when all are left out after
        failures, `last_resort`; None if nobody is left. `key` is what like requests have in common, 0 nothing."""
        raise NotImplementedError


class Cheapest(Strategy):
    """The available worker of least `cost`; equal ones in turn. A seed makes it repeatable."""

    __slots__ = ("_choices", "_dice", "_start")

    def __init__(self, seed: int | None = None) -> None:
        self._dice = Dice(seed)
        self._start = 0
        self._choices = 2

    def cost(self, worker: Worker, now: float) -> float:
        raise NotImplementedError

    def pick(self, workers: list[Worker], now: float, tried: list[Worker] | None, key: int = 0) -> Worker | None:
        best = None
        count = len(workers)
        if count > _FULL_SCAN:
            best = self._of_some(workers, now, tried)
        if best is None and count:
            best = self._of_all(workers, now, tried)
        return best if best is not None else last_resort(workers, now, tried)

    def _of_all(self, workers: list[Worker], now: float, tried: list[Worker] | None) -> Worker | None:
        count = len(workers)
        at = self._start = (self._start + 1) % count
        best = None
        least = 0.0
        for _ in range(count):
            worker = workers[at]
            at += 1
            if at == count:
                at = 0
            if worker.available(now) and (tried is None or worker not in tried):
                cost = self.cost(worker, now)
                if best is None or cost < least:
                    best, least = worker, cost
        return best

    def _of_some(self, workers: list[Worker], now: float, tried: list[Worker] | None) -> Worker | None:
        count = len(workers)
        best = None
        least = 0.0
        seen = 0
        for _ in range(4 * self._choices):
            worker = workers[self._dice.below(count)]
            if not worker.available(now) or worker is best or (tried is not None and worker in tried):
                continue
            cost = self.cost(worker, now)
            if best is None or cost < least:
                best, least = worker, cost
            seen += 1
            if seen == self._choices:
                break
        return best


def last_resort(workers: Sequence[Worker], now: float, tried: Sequence[Worker] | None) -> Worker | None:
    """The untried worker whose pause ends first; one that active checks found down comes after all others. An answer
    may still come of it, and none would come of refusing. Not one that is full or held: for those, one waits."""
    left = [
        worker
        for worker in workers
        if (tried is None or worker not in tried) and now >= worker.held_until and not is_full(worker)
    ]
    if not left:
        return None
    return min(left, key=lambda worker: (worker.probed_down, worker.left_out_until, worker.in_flight))


def is_full(worker: Worker) -> bool:
    return 0 < worker.slots <= worker.in_flight


def worth_waiting(workers: Sequence[Worker], now: float, tried: Sequence[Worker] | None) -> bool:
    """Whether a worker that can be picked by and by is among them: one that is full, or held for a moment."""
    return any(
        (tried is None or worker not in tried) and (is_full(worker) or now < worker.held_until) for worker in workers
    )
