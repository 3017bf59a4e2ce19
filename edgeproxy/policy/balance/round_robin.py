# cython: cdivision=True
"""Smooth weighted round robin: each worker's next turn is a point in virtual time, 1 / weight after its last one.

The earliest turn is at the top of a heap, so that a pick among a thousand costs ten comparisons. Beginning half a step
in, turns of unequal workers interleave (a a b a a for 4:1), as nginx's do.
"""

from __future__ import annotations

from edgeproxy.policy.balance.base import Strategy, last_resort
from edgeproxy.policy.worker import Worker


class RoundRobin(Strategy):
    """Each available worker in turn; one that is left out loses its turns, and gets none back for it."""

    __slots__ = ("_heap", "_turn", "_workers")

    def __init__(self, seed: int | None = None) -> None:
        self._workers: list[Worker] | None = None
        self._heap: list[Worker] = []
        self._turn = 0.0

    def pick(self, workers: list[Worker], now: float, tried: list[Worker] | None, key: int = 0) -> Worker | None:
        if workers is not self._workers:
            self._arrange(workers)
        if tried:
            return self._untried(workers, now, tried)
        heap = self._heap
        for _ in range(len(heap)):
            worker = heap[0]
            self._turn = worker.turn
            worker.turn += 1.0 / worker.share(now)
            _sift(heap)
            if worker.available(now):
                return worker
        return last_resort(workers, now, tried)

    def _arrange(self, workers: list[Worker]) -> None:
        """A new list: those that stay keep their turns."""
        for order, worker in enumerate(workers):
            worker.order = order
            if worker.turn <= self._turn:
                worker.turn = self._turn + 0.5 / worker.weight
        self._workers = workers
        self._heap = sorted(workers, key=lambda worker: (worker.turn, worker.order))

    def _untried(self, workers: list[Worker], now: float, tried: list[Worker]) -> Worker | None:
        fit = [worker for worker in workers if worker not in tried and worker.available(now)]
        if not fit:
            return last_resort(workers, now, tried)
        worker = min(fit, key=lambda worker: (worker.turn, worker.order))
        worker.turn += 1.0 / worker.share(now)
        self._heap.sort(key=lambda worker: (worker.turn, worker.order))
        return worker


def _sift(heap: list[Worker]) -> None:
    """The top has been given a later turn: let it sink to its place."""
    count = len(heap)
    worker = heap[0]
    at, child = 0, 1
    while child < count:
        left = heap[child]
        if child + 1 < count:
            right = heap[child + 1]
            if _before(right, left):
                child += 1
                left = right
        if not _before(left, worker):
            break
        heap[at] = left
        at, child = child, 2 * child + 1
    heap[at] = worker


def _before(one: Worker, other: Worker) -> bool:
    return one.turn < other.turn or (one.turn == other.turn and one.order < other.order)
