"""The registry's time: lets it pass, tells it when we stood still and how busy we are, and has its probes made."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

from coordinator.prober import Prober
from coordinator.registry import Now, Registry
from coordinator.wheel import TICK

log = structlog.get_logger(__name__)

STALL: Final = 0.5  # seconds late: then heartbeats wait in our sockets, and nobody is called late for it
MEASURE: Final = 1.0


class Ticker:
    """`run()` until it is cancelled."""

    def __init__(self, registry: Registry, prober: Prober, clock: Callable[[], Now]) -> None:
        self._registry, self._prober, self._clock = registry, prober, clock
        self._measured = (time.monotonic(), time.process_time())

    async def run(self) -> None:
        while True:
            slept = self._clock().monotonic
            await asyncio.sleep(TICK)
            self.tick(slept)

    def tick(self, slept: float) -> None:
        """One turn, after a sleep that began at `slept`."""
        now = self._clock()
        late = now.monotonic - slept - TICK
        if late > STALL:
            log.warning("we stood still, nobody is called late for it", seconds=round(late, 3))
            self._registry.stalled(slept + TICK, now.monotonic)
        self._registry.advance(now)
        self._prober.launch()
        self._measure()

    def _measure(self) -> None:
        (wall, busy), now = self._measured, time.monotonic()
        if now - wall >= MEASURE:
            self._measured = (now, time.process_time())
            self._registry.pace.measured((self._measured[1] - busy) / (now - wall))
