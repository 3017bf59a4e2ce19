"""Whether the machine is lent at this moment: by the owner's hours, and by the owner's word.

SIGUSR1 takes it back, whatever the hours say; SIGUSR2 lends it again.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from coordinator.agent.hours import Hours

LOOK: Final = 5.0  # seconds between two looks at the clock; spans are whole minutes


def local_time() -> datetime:
    return datetime.now().astimezone()


class Lending:
    """`until(lent)` waits for the one or the other."""

    def __init__(self, hours: Hours, now: Callable[[], datetime] = local_time, look: float = LOOK) -> None:
        self._hours = hours
        self._now = now
        self._look = look
        self._taken = False
        self._said = asyncio.Event()

    @property
    def lent(self) -> bool:
        return not self._taken and self._hours.lent(self._now())

    @property
    def why(self) -> str:
        return "its owner has said so" if self._taken else "it is not among the hours at which it is lent"

    def take(self) -> None:
        """The owner wants it back, now."""
        self._taken = True
        self._said.set()

    def give(self) -> None:
        self._taken = False
        self._said.set()

    async def until(self, lent: bool) -> None:
        while self.lent != lent:
            self._said.clear()
            try:
                async with asyncio.timeout(self._look):
                    await self._said.wait()
            except TimeoutError:
                pass
