"""How long to wait before the next try."""

import random
from dataclasses import dataclass, field
from typing import Final

STEADY: Final = 60.0  # seconds of life after which a death is an accident and no habit: begin anew


@dataclass(slots=True)
class Backoff:
    """Doubles from `first` to `most` seconds; with `jitter` a random part of that, lest many try at once."""

    first: float = 0.1
    most: float = 10.0
    jitter: bool = False
    _tries: int = field(default=0, init=False)

    def next(self, lived: float = 0.0) -> float:
        """Seconds to wait now, after something that lived that long."""
        if lived >= STEADY:
            self.reset()
        limit = min(self.most, self.first * 2 ** min(self._tries, 30))
        self._tries += 1
        return random.uniform(0, limit) if self.jitter else limit

    def reset(self) -> None:
        self._tries = 0
