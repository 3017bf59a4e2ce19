"""How many exchanges a process takes on at once: fewer when it falls behind, and the less important ones first.

The measure is how late the sweep of deadlines comes, which is how long every request waits for its turn. Late: the
bound shrinks by a fifth; in time: it grows by a twentieth (additive increase would take minutes to come back).
"""

from __future__ import annotations

LATE = 0.1
"""Seconds by which the loop may be late before the bound shrinks."""
FEWEST = 16
MOST = 16_384
"""Exchanges in flight of one process: some 5 KiB each, and each wants up to two descriptors."""

LOW, NORMAL, HIGH = 0, 1, 2
PRIORITIES = {"low": LOW, "normal": NORMAL, "high": HIGH}
_SHARE = (60, 90, 100)  # percent of the bound up to which each is taken


class Shed:
    """`in_flight` is counted by the guard."""

    __slots__ = ("bound", "in_flight", "shed")

    def __init__(self, most: int = MOST) -> None:
        self.bound = most
        self.in_flight = 0
        self.shed = 0

    def takes(self, priority: int) -> bool:
        """Whether one more exchange of that priority is taken on."""
        share = _SHARE[priority]
        if self.in_flight * 100 < self.bound * share:
            return True
        self.shed += 1
        return False

    def observed(self, late: float) -> None:
        """The sweep came `late` seconds after its time."""
        if late > LATE:
            self.bound = max(FEWEST, min(self.bound, self.in_flight) * 4 // 5)
        elif self.bound < MOST:
            self.bound = min(MOST, self.bound + 1 + self.bound // 20)
