"""A CoordinatorClient that knows several homes: sticks to one, fails over to the backup in its turn, goes back slowly.

Who uses it sees a CoordinatorError with status 404 when the home is gone for good: register again, and that goes to
another. Where the home is there, and we leave it, a heartbeat does all that is to be done.
"""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Final, Self

import aiohttp
import structlog

from edgeproxy.cluster.client import HEARTBEAT_PATH, REGISTER_PATH, CoordinatorClient, CoordinatorError
from edgeproxy.cluster.homes.account import Account
from edgeproxy.cluster.homes.failover import RETRY, Failover
from edgeproxy.cluster.homes.finder import Finder
from edgeproxy.cluster.homes.kv import Store
from edgeproxy.cluster.homes.line import Line, LinedResponse
from edgeproxy.cluster.messages import Heartbeat, HeartbeatAnswer, Registration, RegistrationAnswer
from edgeproxy.cluster.signer import Signer
from edgeproxy.runtime.tasks import hold

log = structlog.get_logger(__name__)

TIMEOUT: Final = 2.0
MOST_TRIED: Final = 2  # of those whom we may go to, between two heartbeats at a home that still hears us


class HomesClient(CoordinatorClient):
    """An async context manager; the finder runs inside it. `strange_moves` counts how often a home sent us to somebody
    whom no signed list names."""

    response_class = LinedResponse

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
        self.strange_moves = 0
        self._background: asyncio.Task[None] | None = None
        self._registration: Registration | None = None
        self._line = Line(lambda: self.on_call())
        self._call: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        assert self._session is not None
        if self._kv is not None:
            kv = self._kv
            self.finder.store = Store(self._session, kv.account, kv.namespace, kv.token, kv.api)
        self._background = hold(self._keep(self._session))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._line.close()
        if self._call is not None:
            self._call.cancel()
        if self._background is not None:
            self._background.cancel()
            await asyncio.gather(self._background, return_exceptions=True)
        await super().__aexit__(None, None, None)

    async def register(self, registration: Registration) -> RegistrationAnswer:
        """At the home; at the others, in our turn, if it fell."""
        self._registration = registration
        self._reorder()
        turn = self.failover.turn
        if not self.failover.fallen or turn is None:
            return await self._register_at(self.urls, registration)
        await asyncio.sleep(max(0.0, turn.at - monotonic()))
        return await self._register_at((turn.name, *self.failover.others, self.failover.home), registration)

    async def _register_at(self, urls: Sequence[str], registration: Registration) -> RegistrationAnswer:
        """At the first that takes us."""
        failure = CoordinatorError(None, "no coordinator was asked")
        self._line.forget()
        for url in dict.fromkeys(urls):
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
        """To the home alone: nobody else knows our session. Or the move to another, when it is time for that."""
        if self.failover.fallen:
            raise CoordinatorError(404, f"{self.failover.home} is away: going to another")
        moved = await self._move_if_due(heartbeat)
        if moved is not None:
            return moved
        answer = await self._beat_twice(heartbeat)
        ping = self.finder.pings.get(self.failover.home)
        self.failover.heard(
            monotonic(), workers=ping.workers if ping else 0, accept_rate=ping.accept_rate if ping else 0.0
        )
        if answer.move_to is None:
            return answer
        self._take_leave(answer.move_to)
        return await self._move_if_due(heartbeat) or answer

    def _take_leave(self, move_to: str) -> None:
        """The home leaves. It may be anybody's: we go to those only whom the operator signed for."""
        directory = self.finder.chain.directory
        if directory is None or move_to not in directory.urls:
            self.strange_moves += 1
            if self.strange_moves == 1:
                log.warning("we are sent to a coordinator that is in no signed list", home=self.url, to=move_to)
            return
        now = monotonic()
        self.failover.drained(move_to, now)
        turn = self.failover.turn
        if turn is not None and turn.at > now:
            if self._call is not None:
                self._call.cancel()
            self._call = asyncio.get_running_loop().call_later(turn.at - now, self.on_call)

    async def _move_if_due(self, heartbeat: Heartbeat) -> HeartbeatAnswer | None:
        """Register where we are to go, what we run with us: the answer is as a heartbeat's. None: we stay for now."""
        turn, registration = self.failover.turn, self._registration
        if turn is None or turn.at > monotonic() + RETRY or registration is None:
            return None
        await asyncio.sleep(max(0.0, turn.at - monotonic()))
        changes: dict[str, object] = {"worker_id": heartbeat.worker_id}
        if heartbeat.services is not None:
            changes["services"] = heartbeat.services
        old = self.failover.home
        try:
            others = tuple(dict.fromkeys((turn.name, *self.failover.others)))[:MOST_TRIED]
            answer = await self._register_at(others, registration.model_copy(update=changes))
        except CoordinatorError as error:
            self.failover.stayed()
            log.warning("no other coordinator takes us, we stay", home=old, reason=error.message)
            return None
        log.info("moved to another coordinator", left=old, at=self.failover.home)
        return HeartbeatAnswer.model_validate(answer.model_dump(exclude_unset=True, exclude={"status"}))

    async def _beat_twice(self, heartbeat: Heartbeat) -> HeartbeatAnswer:
        try:
            return await self._beat(heartbeat)
        except CoordinatorError as error:
            if not _is_away(error):
                raise
            self.failover.missed(monotonic())
            await asyncio.sleep(RETRY)
            return await self._beat_again(heartbeat)

    async def _beat_again(self, heartbeat: Heartbeat) -> HeartbeatAnswer:
        try:
            return await self._beat(heartbeat)
        except CoordinatorError as error:
            if not _is_away(error) or not self.failover.others:
                raise
            self.failover.missed(monotonic())
            raise CoordinatorError(404, f"{self.failover.home} is away: going to another") from None

    async def _beat(self, heartbeat: Heartbeat) -> HeartbeatAnswer:
        self._line.forget()
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

    def _noted(self, path: str, response: aiohttp.ClientResponse) -> None:
        if path in (REGISTER_PATH, HEARTBEAT_PATH) and response.ok and isinstance(response, LinedResponse):
            self._line.follow(response.line, self.url)

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
            ping = self.finder.pings.get(preferred)
            self.failover.probed(preferred, ping is not None and not ping.draining, now)
        elif (nearer := self.finder.closeness.better(now)) is not None and nearer != self.failover.home:
            self.failover.drawn(nearer, now)


def _is_away(error: CoordinatorError) -> bool:
    return error.status is None or error.status >= 500
