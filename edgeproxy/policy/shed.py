"""What a process takes on when it has more to do than it can: less, and what matters least is refused first.

The measure is how long every request waits for its turn: how long a turn of the loop takes, or how late the sweep of
deadlines comes where the machine has no time for us (the queueing delay, as in WeChat's DAGOR, SoCC 2018). Two things
follow from it. `level`: which part of the requests is refused, all of one priority before the first of the next.
`bound`: how many exchanges there may be at once, twice those of the moment in which it was late. Most exchanges wait
for a worker and cost nothing meanwhile: to refuse new ones until they have ended, as a bound alone would, could take
minutes, so that the level is what relieves.
"""

from __future__ import annotations

LATE = 0.05
"""Seconds that are borne; a request needs some three turns."""
FEWEST = 256
MOST = 16_384
"""Exchanges in flight of one process: some 5 KiB each, and each wants up to two descriptors."""

LOW, NORMAL, HIGH = 0, 1, 2
PRIORITIES = {"low": LOW, "normal": NORMAL, "high": HIGH}
_SHARE = (60, 90, 100)  # percent of the bound up to which each is taken

_ALL = 100
"""Of the level, for each priority: at 150 none that is low and half of those that are normal are taken."""
_HIGHEST = 290
"""A tenth of what is high is always taken."""
_RAISE, _LOWER = 25, 5
"""In a sweep, four a second: a second or so for each priority, and five times as long back."""
_FEW = 16
"""Requests between two sweeps that cannot be what the process is busy with: to refuse more than the low ones of them
would help nobody."""


class Shed:
    """`in_flight` is counted by the guard."""

    __slots__ = ("_asked", "_last_late", "_most", "_owed", "bound", "in_flight", "level")

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self.bound = most
        self.in_flight = 0
        self.level = 0
        self._asked = 0
        self._owed = 0
        self._last_late = 0.0

    def takes(self, priority: int) -> bool:
        """Whether one more exchange of that priority is taken on."""
        self._asked += 1
        share = _SHARE[priority]
        if self.in_flight * 100 >= self.bound * share:
            return False
        refused = self.level - priority * _ALL
        return refused <= 0 or self._spares(refused)

    def _spares(self, refused: int) -> bool:
        """Of a hundred requests so many are refused, evenly."""
        self._owed += min(refused, _ALL)
        if self._owed < _ALL:
            return True
        self._owed -= _ALL
        return False

    def observed(self, late: float) -> None:
        """A turn took `late` seconds; to be told with every sweep."""
        if late > LATE:
            highest = _HIGHEST if self._asked > _FEW else max(_ALL, self.level - _LOWER)
            more = _RAISE if late >= self._last_late else 0  # what has been refused already begins to help
            self.level = min(highest, self.level + more)
            self.bound = max(min(FEWEST, self._most), min(self.bound, 2 * self.in_flight))
        else:
            self.level = max(0, self.level - _LOWER)
            self.bound = min(self._most, self.bound + 1 + self.bound // 20)
        self._asked = 0
        self._last_late = late
