"""Round robin over the workers that are available."""

from __future__ import annotations

from collections.abc import Sequence

from edgeproxy.policy.worker import Worker


class RoundRobin:
    """Each available worker in turn; one that is left out costs its neighbours nothing but their share of it."""

    __slots__ = ("_turn",)

    def __init__(self) -> None:
        self._turn = 0

    def pick(self, workers: Sequence[Worker], now: float, tried: Sequence[Worker] | None) -> Worker | None:
        """The next available worker that was not tried. When all are left out after failures, the one that
        comes back first: an answer may still come of it, and none would come of refusing."""
        count = len(workers)
        turn = self._turn
        for step in range(count):
            worker = workers[(turn + step) % count]
            if worker.available(now) and (tried is None or worker not in tried):
                self._turn = (turn + step + 1) % count
                return worker
        return last_resort(workers, tried)


def last_resort(workers: Sequence[Worker], tried: Sequence[Worker] | None) -> Worker | None:
    """The untried worker whose pause ends first; one that active checks found down comes after all others."""
    left = [worker for worker in workers if tried is None or worker not in tried]
    if not left:
        return None
    return min(left, key=lambda worker: (worker.probed_down, worker.left_out_until))
