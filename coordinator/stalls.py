"""A clock that stands still while we do: nobody is called late for what we slept through. Pure.

A process that was stopped, swapped out or busy for seconds finds every heartbeat overdue, though they wait in
its sockets. What it missed is excused: `elapsed` counts only time in which a heartbeat could have been heard.
"""

from collections import deque
from typing import Final

REMEMBERED: Final = 32  # stalls; older ones lie before the last heartbeat of anybody who is not overdue anyway


class Stalls:
    """Excused spans of the monotonic clock, in order and apart."""

    def __init__(self) -> None:
        self._spans: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)

    def excuse(self, start: float, end: float) -> None:
        """The time from `start` to `end` does not count. Spans come in order; what overlaps is joined."""
        if self._spans and start <= self._spans[-1][1]:
            first, last = self._spans.pop()
            start, end = min(first, start), max(last, end)
        if end > start:
            self._spans.append((start, end))

    def elapsed(self, since: float, now: float) -> float:
        """Seconds from `since` to `now` without those that are excused."""
        if not self._spans or self._spans[-1][1] <= since:
            return now - since
        excused = sum(max(0.0, min(end, now) - max(start, since)) for start, end in self._spans)
        return now - since - excused

    def standing(self, now: float) -> bool:
        """Whether `now` is within an excused span."""
        return bool(self._spans) and now < self._spans[-1][1]
