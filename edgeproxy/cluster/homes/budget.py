"""When the emergency store may be written: when the list is another one, and never more than MOST times a day. Pure.

The free plan has 1,000 writes a day for everything. `at` is seconds of the epoch: the budget outlives restarts,
and a coordinator that starts again and again must not spend it.
"""

from dataclasses import dataclass
from typing import Final

MOST: Final = 96  # a day
GAP: Final = 86_400 / MOST + 10  # seconds between two writes, so that no 24 hours see more than MOST


@dataclass(slots=True)
class Budget:
    """`written` is the essence of what is in the store (None: not known, look first), `at` when we last wrote."""

    written: str | None = None
    at: float = float("-inf")

    def may_write(self, essence: str, now: float) -> bool:
        if self.written is None or essence == self.written:
            return False
        return now >= self.at + GAP

    def wrote(self, essence: str, now: float) -> None:
        """Call it before the write is made: one that failed may have been counted there."""
        self.written, self.at = essence, max(self.at, now)

    def found(self, essence: str | None) -> None:
        """What the store holds; "" for nothing."""
        self.written = essence or ""
