"""The change feed of the coordinator: a death is heard of when it is seen there, not at the next refresh.

It says only that something changed; the list is read by whoever cares. While the feed is away the refresh goes on as
ever: nothing but speed hangs on it.
"""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Final, Protocol

from edgeproxy.cluster.client import CoordinatorError
from edgeproxy.cluster.messages import Changes
from edgeproxy.runtime.backoff import Backoff

log = logging.getLogger(__name__)

WAIT: Final = 25.0  # seconds that a question may rest at the coordinator
NO_FEED: Final = 60.0  # until one that has no feed is asked again: it may have been replaced by a newer one
GAP: Final = 0.05  # between two questions, whatever the coordinator answers
EARLY: Final = (
    1.0  # after an answer that brought nothing before its time: one that ignores `wait` is not asked in a circle
)
UNKNOWN: Final = frozenset({404, 405, 501})


class FeedSource(Protocol):
    """What is needed of a CoordinatorClient."""

    async def changes(self, after: str | None, wait: float) -> Changes: ...


class ChangeFeed:
    """Calls `on_change()` after every change that edges route by, and whenever some may have been missed."""

    def __init__(self, client: FeedSource, on_change: Callable[[], None], *, wait: float = WAIT) -> None:
        self._client = client
        self._on_change = on_change
        self._wait = wait
        self._mark: str | None = None
        self._known = False  # the first answer, which says where we are, comes at once

    async def run(self) -> None:
        """Until it is cancelled."""
        backoff = Backoff(0.2, 5.0, jitter=True)
        while True:
            asked = monotonic()
            try:
                changes = await self._client.changes(self._mark, self._wait)
            except CoordinatorError as error:
                await asyncio.sleep(NO_FEED if error.status in UNKNOWN else backoff.next())
            else:
                backoff = Backoff(0.2, 5.0, jitter=True)
                self._take(changes)
                early = not changes.events and not changes.reset and monotonic() - asked < self._wait / 2
                await asyncio.sleep(EARLY if early and self._known else GAP)
                self._known = True

    def _take(self, changes: Changes) -> None:
        missed = self._mark is None or changes.reset
        self._mark = changes.mark
        if missed or changes.events:
            self._on_change()
