"""What the backend has seen, by the number that a request carries in `X-Bench-Id`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from time import monotonic_ns
from typing import Literal

Happening = Literal["arrived", "left"]
"""Of a request: its head is here; its connection is gone."""

FORGET_BEYOND = 10_000
"""Happenings that nobody has asked for; the oldest go first."""


class Records:
    def __init__(self) -> None:
        self._executed: Counter[str] = Counter()
        self._times: dict[tuple[Happening, str], int] = {}
        self._asking: dict[tuple[Happening, str], Callable[[int], None]] = {}

    def executed(self, request: str) -> None:
        """This request arrived whole, and what it asks for was done."""
        self._executed[request] += 1

    def take_executed(self) -> bytes:
        """How often each was executed since the last time that this was asked, as JSON."""
        taken, self._executed = self._executed, Counter()
        return json.dumps(taken).encode()

    def happened(self, what: Happening, request: str) -> None:
        now = monotonic_ns()
        tell = self._asking.pop((what, request), None)
        if tell:
            tell(now)
            return
        self._times[what, request] = now
        if len(self._times) > FORGET_BEYOND:
            del self._times[next(iter(self._times))]

    def when(self, what: Happening, request: str, tell: Callable[[int], None]) -> None:
        """Calls `tell` with the CLOCK_MONOTONIC in ns at which it happened: now, or when it does."""
        known = self._times.pop((what, request), None)
        if known is None:
            self._asking[what, request] = tell
        else:
            tell(known)
