"""How many connections a process holds, and all processes of the machine of one source, and when it stops to accept.

Near the bound of descriptors the listening sockets are closed and the kernel's queue holds the rest: to accept and
fail, again and again, would take the processor from those who are inside.
"""

from __future__ import annotations

from collections.abc import Callable

from edgeproxy.policy.address import Source
from edgeproxy.policy.presence import Presence

_REOPEN = 0.95
"""Of the most, when the door opens again: not at once, or it would turn with every connection."""


class Door:
    """`most` connections of this process, `of_one` of one source that is not exempt in all that share `presence`.
    `shut` and `open` stop and begin to accept; `count` is told of each connection that was one too many, and of
    each pause."""

    def __init__(
        self,
        most: int = 1_000_000,
        of_one: int = 1_000_000,
        count: Callable[[str], None] = lambda _: None,
        presence: Presence | None = None,
    ) -> None:
        self.most = most
        self.of_one = of_one
        self.inside = 0
        self.left = 0  # in all
        self._count = count
        self._presence = presence
        self.shut: Callable[[], None] = _nothing
        self.open: Callable[[], None] = _nothing
        self._is_shut = False
        self._by_source: dict[int, int] = {}

    def enter(self, source: Source) -> bool:
        """Whether there is room. Whoever has entered leaves, room or not."""
        self.inside += 1
        held = self._hold(source, 1)
        if self.inside >= self.most and not self._is_shut:
            self._is_shut = True
            self._count("accept_paused")
            self.shut()
        if self.inside > self.most or (not source.exempt and self._is_one_too_many(source, held)):
            self._count("connection_refused")
            return False
        return True

    def leave(self, source: Source) -> None:
        self.inside -= 1
        self.left += 1
        self._hold(source, -1)

    def _hold(self, source: Source, more: int) -> int:
        """So many more; how many of the source it is then."""
        held = self._by_source.get(source.key, 0) + more
        if held > 0:
            self._by_source[source.key] = held
        else:
            self._by_source.pop(source.key, None)
        if self._presence is not None:
            self._presence.hold(source.key, max(0, held))
        return held

    def _is_one_too_many(self, source: Source, held: int) -> bool:
        """Two processes that each take one at once both see both: neither takes the last place then."""
        if self._presence is not None:
            held += self._presence.elsewhere(source.key)
        return held > self.of_one

    def look(self) -> None:
        """Open again when there is room; called four times a second."""
        if self._is_shut and self.inside <= self.most * _REOPEN:
            self._is_shut = False
            self.open()


def _nothing() -> None:
    pass
