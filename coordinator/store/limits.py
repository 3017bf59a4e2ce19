"""What the coordinators of a site allow an address together: who is refused at one shall not have the same again at the
next. Each decides at once, by its own limit; what it let through it tells the store a moment later, and who has gone
beyond what one coordinator alone allows in a minute is refused by all until the store has counted it.

Shared is what an attacker gains by: registrations of an address (they fill the one registry of the site) and guesses of
the operators' key. Not shared is what spares a coordinator's own processor: each has one of its own.
"""

import asyncio
from collections.abc import Callable
from itertools import islice
from typing import Final

import structlog
from limits import RateLimitItemPerMinute

from coordinator.api.calls import is_loopback
from coordinator.api.limits import Limits, Rate
from edgeproxy.cluster.store import client
from edgeproxy.cluster.store.client import limiter
from edgeproxy.cluster.store.url import store_url
from edgeproxy.runtime.tasks import heed_cancellation

log = structlog.get_logger(__name__)

TURN: Final = 0.25  # seconds; what passes meanwhile is the local limit's burst at most
PAUSE: Final = 1.0  # after a store that did not answer
PATIENCE: Final = 1.0
AT_ONCE: Final = 16  # questions on the way
AT_A_TURN: Final = 256  # a thousand a second: some tenth of a core
MOST: Final = 10_000  # addresses of which we tell; others have the local limit
AGAIN: Final = 1.0  # seconds that one is told to wait whom the site refuses
AWAY: Final = "shared_store_away"


class SharedRate(Rate):
    """The local limit, and what the store says. `owed` was let through and is not counted there yet; who is in
    `refused` gets no more before it is. `item`: in a minute all coordinators allow what one alone would."""

    __slots__ = ("item", "name", "owed", "refused")

    def __init__(self, name: str, own: Rate) -> None:
        super().__init__(own.per_second, own.burst)
        self.name = name
        self.item = RateLimitItemPerMinute(own.burst + round(60 * own.per_second))
        self.owed: dict[str, int] = {}
        self.refused: set[str] = set()

    def wait(self, key: str, now: float) -> float:
        if key in self.refused:
            return AGAIN
        wait = super().wait(key, now)
        # the loopback of another machine is somebody else
        if wait == 0 and not is_loopback(key) and (key in self.owed or len(self.owed) < MOST):
            self.owed[key] = self.owed.get(key, 0) + 1
        return wait

    def counted(self, key: str, number: int) -> None:
        self.refused.discard(key)
        self.owed[key] -= number
        if not self.owed[key]:
            del self.owed[key]

    def refuse(self, key: str) -> None:
        """Behind the others, which have their turn first next time."""
        self.refused.add(key)
        self.owed[key] = self.owed.pop(key)

    def forgive(self) -> None:
        self.owed.clear()
        self.refused.clear()


class SharedLimits:
    """Takes the place of some of `limits`. `run()` until it is cancelled; `count` is told of each failure."""

    def __init__(self, url: str, site: str, limits: Limits, count: Callable[[str], None]) -> None:
        self._client = client.connect(store_url(url), PATIENCE, AT_ONCE)
        self._limiter = limiter(self._client)
        self._site, self._count = site, count
        self._is_away = False
        limits.of_address = SharedRate("address", limits.of_address)
        limits.of_guesser = SharedRate("guesser", limits.of_guesser)
        limits.of_guessers = SharedRate("guessers", limits.of_guessers)
        self._rates = (limits.of_address, limits.of_guesser, limits.of_guessers)

    async def run(self) -> None:
        try:
            while True:
                await asyncio.sleep(PAUSE if self._is_away else TURN)
                await self.tell()
                heed_cancellation()
        finally:
            await self._client.aclose()

    async def tell(self) -> None:
        """What is owed. Without the store it is forgiven: the local limits go on."""
        asked = any(rate.owed for rate in self._rates)
        try:
            for rate in self._rates:
                await self._tell(rate)
        except Exception as error:  # whatever the client library raises, the coordinator goes on
            self._failed(error)
            return
        if asked and self._is_away:
            self._is_away = False
            log.info("the shared store counts again")

    async def _tell(self, rate: SharedRate) -> None:
        keys = list(islice(rate.owed, AT_A_TURN))
        for start in range(0, len(keys), AT_ONCE):
            ends = await asyncio.gather(
                *(self._hit(rate, key) for key in keys[start : start + AT_ONCE]), return_exceptions=True
            )
            for end in ends:
                if end is not None:
                    raise end

    async def _hit(self, rate: SharedRate, key: str) -> None:
        number = min(rate.owed[key], rate.item.amount)
        if await self._limiter.hit(rate.item, self._site, rate.name, key, cost=number):
            rate.counted(key, number)
        else:
            rate.refuse(key)

    def _failed(self, error: Exception) -> None:
        self._count(AWAY)
        for rate in self._rates:
            rate.forgive()
        if not self._is_away:
            self._is_away = True
            log.warning("the shared store is away, this coordinator's own limits go on", reason=type(error).__name__)
