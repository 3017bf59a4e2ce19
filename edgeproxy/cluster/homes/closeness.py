"""Which coordinator is near enough to be worth moving to. Pure.

The worker measures; nobody tells it where it belongs, or a wrong answer would echo for ever. Constants are
Tailscale's for its relays, whose users told them what flapping costs.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

WINDOW: Final = 300.0  # the least round trip of the last five minutes counts
SAMPLES: Final = 64
LEAST_GAIN: Final = 0.010  # seconds; less is noise
RATIO: Final = 2 / 3  # of the present one's
ROUNDS: Final = 3  # in a row
DWELL: Final = 600.0  # between moves for the sake of nearness
BUSY: Final = 0.7  # load from which a coordinator seems farther
LIVE_FOR: Final = 30.0  # a home that answered so recently survives lost probes


@dataclass(slots=True)
class Candidate:
    """Round trips (seconds) with their times, and its load, 0 to 1."""

    trips: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    load: float = 0.0

    def score(self, now: float) -> float | None:
        """Seconds, the fewer the better; None if it was not reached of late."""
        recent = [trip for at, trip in self.trips if at > now - WINDOW]
        return min(recent) * (1 + 3 * max(0.0, self.load - BUSY)) if recent else None


@dataclass(slots=True)
class Closeness:
    """`home` is set by who moves; `better(now)` is asked once a round of probes."""

    home: str | None = None
    since: float = float("-inf")
    candidates: dict[str, Candidate] = field(default_factory=dict)
    _winner: str | None = None
    _wins: int = 0

    def keep_only(self, names: set[str]) -> None:
        for name in [name for name in self.candidates if name not in names]:
            del self.candidates[name]

    def measured(self, name: str, seconds: float, now: float, load: float = 0.0) -> None:
        candidate = self.candidates.setdefault(name, Candidate())
        candidate.trips.append((now, seconds))
        candidate.load = load

    def ranked(self, now: float) -> list[str]:
        """The nearest first; those without a measurement are left out."""
        scores = {name: score for name, c in self.candidates.items() if (score := c.score(now)) is not None}
        return sorted(scores, key=lambda name: (scores[name], name))

    def moved(self, name: str | None, now: float) -> None:
        self.home, self.since, self._winner, self._wins = name, now, None, 0

    def better(self, now: float) -> str | None:
        """A coordinator that was clearly nearer for several rounds; None: stay."""
        ranked = self.ranked(now)
        if not ranked:
            return None
        if self.home is None:
            return ranked[0]
        winner = ranked[0] if self._clearly(ranked[0], now) else None
        self._wins = self._wins + 1 if winner is not None and winner == self._winner else int(winner is not None)
        self._winner = winner
        return winner if self._wins >= ROUNDS and now >= self.since + DWELL else None

    def _clearly(self, name: str, now: float) -> bool:
        if name == self.home:
            return False
        new = self.candidates[name].score(now)
        home = self.candidates.get(self.home or "")
        old = None if home is None else home.score(now)
        if new is None or old is None:
            return False  # our home was not measured: that it is far is not shown
        return old - new >= LEAST_GAIN and new <= RATIO * old
