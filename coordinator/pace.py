"""How often agents shall beat: as often as we can hear well, by how many they are and how busy we are. Pure.

Five seconds while that costs little; more workers beat less often, so that heartbeats never take more than
the budget. A coordinator that is busy with other things asks for fewer at once.
"""

import math
from dataclasses import dataclass
from typing import Final

BUDGET: Final = 2000.0  # heartbeats a second: about a sixth of what one core takes
LONGEST: Final = 30.0  # the interval of the agents that obey nobody: three of them are the old lease
BUSY: Final = 0.75  # of our core; beyond it the budget shrinks
STEP: Final = 0.5  # seconds: a number that changes with every registration would be news in every answer


@dataclass(slots=True)
class Pace:
    """`shortest` is what the operator asks for. `load` is the busy part of our core, 0 to 1."""

    shortest: float
    load: float = 0.0

    def interval(self, workers: int) -> float:
        budget = BUDGET * min(1.0, (1.0 - min(self.load, 0.95)) / (1.0 - BUSY))
        if workers <= self.shortest * budget:
            return self.shortest
        return max(self.shortest, min(math.ceil(workers / budget / STEP) * STEP, LONGEST))

    def measured(self, busy: float) -> None:
        """What was measured since the last time; smoothed, so that one busy second changes little."""
        self.load += (min(max(busy, 0.0), 1.0) - self.load) / 8
