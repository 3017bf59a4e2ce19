"""When to look at whom: one alarm a worker, in slots of a tenth of a second. Pure; no task, no heap.

Alarms are lazy: a heartbeat does not move one. When it rings, its owner sees whether it is really late and
sets the next. So the cost of a heartbeat is nothing, and of a worker eight bytes.
"""

import math
from collections.abc import Iterator
from typing import Any, Final, Protocol

TICK: Final = 0.1


class Slot(list[Any]):
    """The sleepers whose alarm rings at one tick."""

    __slots__ = ("tick",)

    def __init__(self, tick: int) -> None:
        self.tick = tick


class Sleeper(Protocol):
    alarm: Slot | None


class Wheel:
    """Slots by tick. Of a sleeper that was set to an earlier alarm, the older entry is void."""

    def __init__(self) -> None:
        self._slots: dict[int, Slot] = {}
        self._reached = 0  # every tick up to this one has rung

    def set(self, sleeper: Sleeper, at: float) -> None:
        """Ring at this time, or earlier if it is set earlier already."""
        tick = max(math.ceil(at / TICK), self._reached + 1)
        if sleeper.alarm is not None and sleeper.alarm.tick <= tick:
            return
        slot = self._slots.get(tick)
        if slot is None:
            slot = self._slots[tick] = Slot(tick)
        slot.append(sleeper)
        sleeper.alarm = slot

    def ring(self, now: float) -> Iterator[Any]:
        """Those whose alarm has come, the earliest first; their alarms are off then."""
        reached = math.floor(now / TICK)
        if reached <= self._reached:
            return
        due, self._reached = self._due(reached), reached
        for tick in due:
            slot = self._slots.pop(tick)
            for sleeper in slot:
                if sleeper.alarm is slot:
                    sleeper.alarm = None
                    yield sleeper

    def _due(self, reached: int) -> list[int]:
        if reached - self._reached > len(self._slots):
            return sorted(tick for tick in self._slots if tick <= reached)
        return [tick for tick in range(self._reached + 1, reached + 1) if tick in self._slots]

    def __len__(self) -> int:
        return sum(len(slot) for slot in self._slots.values())
