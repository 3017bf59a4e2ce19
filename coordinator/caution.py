"""When many vanish at once, it is more likely our network than all of theirs. Pure.

In caution nobody is called dead for being silent; a worker whose machine refuses the connection still is. It
ends when most are back, and in any case after `LIMIT`; after such an end it rests for `REST`, so that a
coordinator can not stay in it for ever.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

SHARE: Final = 0.15  # of the fleet, missing within one window
LEAST: Final = 10  # so many at least: two of five is bad luck
ALL_OF: Final = 3  # in a small fleet: everybody, if there are so many
BACK: Final = 0.05  # it is over when fewer than this are missing
LIMIT: Final = 60.0
REST: Final = 300.0
KEPT: Final = 100_000  # recent deaths that caution may take back


class Death(NamedTuple):
    """A worker that was called dead for its silence alone."""

    at: float
    worker_id: str
    incarnation: int


@dataclass(slots=True)
class Caution:
    """`since` is when it began, None while it is off. `suspects` is the number of workers that are silent and
    not yet called dead; its owner keeps it."""

    suspects: int = 0
    since: float | None = None
    _rests_until: float = 0.0
    _deaths: deque[Death] = field(default_factory=lambda: deque(maxlen=KEPT))

    @property
    def on(self) -> bool:
        return self.since is not None

    def begins(self, now: float, live: int, window: float) -> bool:
        """Whether it begins now. `live` are the workers that are not offline, silent ones included."""
        if self.on or now < self._rests_until:
            return False
        self._forget(now - window)
        missing, fleet = self.suspects + len(self._deaths), live + len(self._deaths)
        many = missing >= LEAST and missing >= SHARE * fleet
        if many or missing == fleet >= ALL_OF:
            self.since = now
        return self.on

    def ends(self, now: float, live: int) -> str | None:
        """Why it ends now, if it does."""
        if self.since is None:
            return None
        why = None
        if self.suspects < max(BACK * live, 1):
            why = "most are back"
        elif now >= self.since + LIMIT:
            why, self._rests_until = f"{LIMIT:g} seconds are over", now + REST
        if why is not None:
            self.since = None
            self._deaths.clear()
        return why

    def died(self, death: Death) -> None:
        self._deaths.append(death)

    def take_back(self) -> list[Death]:
        """The deaths of the window, to be undone: they were the beginning of it."""
        taken = list(self._deaths)
        self._deaths.clear()
        return taken

    def _forget(self, before: float) -> None:
        while self._deaths and self._deaths[0].at < before:
            self._deaths.popleft()
