"""A CoordinatorClient that knows several homes: sticks to one, fails over to the backup in its turn, goes back slowly.

Who uses it sees a CoordinatorError with status 404 when the home is gone for good: register again, and that goes to
another.
"""

import asyncio
from time import monotonic
from typing import Final, Self

import aiohttp

from edgeproxy.cluster.client import CoordinatorClient, CoordinatorError
from edgeproxy.cluster.homes.account import Account
from edgeproxy.cluster.homes.failover import RETRY, Failover
from edgeproxy.cluster.homes.finder import Finder
from edgeproxy.cluster.homes.kv import Store
from edgeproxy.cluster.messages import Heartbeat, HeartbeatAnswer, Registration, RegistrationAnswer
from edgeproxy.cluster.signer import Signer
from edgeproxy.runtime.tasks import hold

TIMEOUT: Final = 2.0


class HomesClient(CoordinatorClient):
    """An async context manager; the finder runs inside it."""

    def __init__(
        self,
        finder: Finder,
        api_key: str | None = None,
        signer: Signer | None = None,
        timeout: float = TIMEOUT,
        kv: Account | None = None,
    ) -> None:
        super().__init__(finder.urls(), api_key, timeout, signer)
        self.finder = finder
        self._kv = kv
        self.failover = Failover(finder.who, self.urls[0])
        self._background: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        assert self._session is not None
        if self._kv is not None:
            kv = self._kv
            self.finder.store = Store(self._session, kv.account, kv.namespace, kv.token, kv.api)
        self._background = hold(self._keep(self._session))
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._background is not None:
            self._background.cancel()
            await asyncio.gather(self._background, return_exceptions=True)
        await super().__aexit__(None, None, None)

    async def register(self, registration: Registration) -> RegistrationAnswer:
        """At the home; at the others, in our turn, if it fell."""
        self._reorder()
        if self.failover.orphaned:
            await asyncio.sleep(max(0.0, self.failover.step(monotonic()).at - monotonic()))
        order = (*self.failover.others, self.failover.home) if self.failover.orphaned else self.urls
        failure = CoordinatorError(None, "no coordinator was asked")
        for url in dict.fromkeys(order):
            self.urls, self._preferred = (url,), 0
            try:
                answer = await super().register(registration)
            except CoordinatorError as error:
                if error.status is not None and error.status < 500 and error.status != 429:
                    raise
                failure = error
                self.finder.chain.failed(url, monotonic())
                await asyncio.sleep(RETRY)
            else:
                self._arrived(url)
                return answer
            finally:
                self._reorder()
        raise failure

    async def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatAnswer:
        """To the home alone: nobody else knows our session."""
        if self._should_move():
            raise CoordinatorError(404, "a coordinator is clearly nearer, or our old one is well again")
        try:
            answer = await self._beat(heartbeat)
        except CoordinatorError as error:
            if not _is_away(error):
                raise
            self.failover.missed(monotonic())
            await asyncio.sleep(RETRY)
            answer = await self._beat_again(heartbeat)
        ping = self.finder.pings.get(self.failover.home)
        self.failover.heard(
            monotonic(), workers=ping.workers if ping else 0, accept_rate=ping.accept_rate if ping else 0.0
        )
        return answer

    async def _beat_again(self, heartbeat: Heartbeat) -> HeartbeatAnswer:
        try:
            return await self._beat(heartbeat)
        except CoordinatorError as error:
            if not _is_away(error) or not self.failover.others:
                raise
            self.failover.missed(monotonic())
            raise CoordinatorError(404, f"{self.failover.home} is away: going to another") from None

    async def _beat(self, heartbeat: Heartbeat) -> HeartbeatAnswer:
        self.urls, self._preferred = (self.failover.home,), 0
        try:
            return await super().heartbeat(heartbeat)
        finally:
            self._reorder()

    def _reorder(self) -> None:
        """The home first, then as the finder says; that is also the order in which edges ask for the list."""
        known = self.finder.urls()
        self.urls = tuple(dict.fromkeys([self.failover.home, *known]))
        self._preferred = 0
        self.failover.others = tuple(url for url in known if url != self.failover.home)

    def _arrived(self, url: str) -> None:
        self.finder.chain.answered(url)
        self.finder.look_soon()
        self.failover.claimed(url, monotonic())
        self.finder.closeness.moved(url, monotonic())

    def _should_move(self) -> bool:
        """Nearness, or the way back; decided by the rounds, carried out between two heartbeats."""
        step = self.failover.step(monotonic())
        if step.action == "claim" and step.at <= monotonic():
            self.failover.others = (step.name, *(url for url in self.failover.others if url != step.name))
            self.failover.drained(step.name, monotonic())
            return True
        return self.failover.orphaned

    async def _keep(self, session: aiohttp.ClientSession) -> None:
        rounds = hold(self.finder.run(session))
        try:
            while True:
                await asyncio.sleep(self.finder.round)
                self._consider()
        finally:
            rounds.cancel()

    def _consider(self) -> None:
        now = monotonic()
        preferred = self.failover.preferred
        if preferred is not None:
            self.failover.probed(preferred, preferred in self.finder.pings, now)
        elif (nearer := self.finder.closeness.better(now)) not in (None, self.failover.home):
            self.failover.drained(nearer, now)


def _is_away(error: CoordinatorError) -> bool:
    return error.status is None or error.status >= 500
