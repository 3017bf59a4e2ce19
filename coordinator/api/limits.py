"""How often somebody may ask: a token bucket each (GCRA), in two generations, so that memory has an end. Pure;
seconds."""

from dataclasses import dataclass, field
from typing import Final

MOST_KEYS: Final = 100_000  # of a generation; some 10 MB


@dataclass(slots=True)
class Rate:
    """`per_second` in the long run, `burst` at once."""

    per_second: float
    burst: int
    _full_at: dict[str, float] = field(default_factory=dict)
    _before: dict[str, float] = field(default_factory=dict)
    _turned: float = 0.0

    def wait(self, key: str, now: float) -> float:
        """0 and counted; or, not counted, the seconds until it would be allowed."""
        self._turn(now)
        emptied = max(self._full_at.get(key) or self._before.get(key, 0.0), now) + 1 / self.per_second
        too_much = emptied - now - self.burst / self.per_second
        if too_much > 1e-9:
            return too_much
        self._full_at[key] = emptied
        return 0.0

    def _turn(self, now: float) -> None:
        """A bucket is as good as new when it is full again: what is older than that may be forgotten."""
        if now - self._turned >= self.burst / self.per_second or len(self._full_at) >= MOST_KEYS:
            self._before, self._full_at, self._turned = self._full_at, {}, now


@dataclass(slots=True)
class Limits:
    """Of what agents may do. A worker beats five times a second at most; an address may be a site with a hundred
    machines that all start at once; this machine's own programs are not counted by address. Guessers log in."""

    of_worker: Rate = field(default_factory=lambda: Rate(10.0, 50))
    of_address: Rate = field(default_factory=lambda: Rate(20.0, 400))
    of_all: Rate = field(default_factory=lambda: Rate(2500.0, 5000))
    of_guesser: Rate = field(default_factory=lambda: Rate(1.0, 10))
    of_guessers: Rate = field(default_factory=lambda: Rate(20.0, 100))
    of_key_values: Rate = field(default_factory=lambda: Rate(10.0, 100))
