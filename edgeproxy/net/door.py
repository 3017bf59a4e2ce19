"""How many connections a process holds, in all and of one source, and when it stops to accept more.

Near the bound of descriptors the listening sockets are closed and the kernel's queue holds the rest: to accept and
fail, again and again, would take the processor from those who are inside.
"""

from __future__ import annotations

from collections.abc import Callable

from edgeproxy.policy.address import Source

_REOPEN = 0.95
"""Of the most, when the door opens again: not at once, or it would turn with every connection."""


class Door:
    """`most` connections in all, `of_one` of one source that is not exempt. `shut` and `open` stop and begin to
    accept; `count` is told of each connection that was one too many, and of each pause."""

    def __init__(
        self, most: int = 1_000_000, of_one: int = 1_000_000, count: Callable[[str], None] = lambda _: None
    ) -> None:
        self.most = most
        self.of_one = of_one
        self.inside = 0
        self._count = count
        self.shut: Callable[[], None] = _nothing
        self.open: Callable[[], None] = _nothing
        self._is_shut = False
        self._by_source: dict[int, int] = {}

    def enter(self, source: Source) -> bool:
        """Whether there is room. Whoever has entered leaves, room or not."""
        self.inside += 1
        held = self._by_source.get(source.key, 0) + 1
        self._by_source[source.key] = held
        if self.inside >= self.most and not self._is_shut:
            self._is_shut = True
            self._count("accept_paused")
            self.shut()
        if self.inside > self.most or (held > self.of_one and not source.exempt):
            self._count("connection_refused")
            return False
        return True

    def leave(self, source: Source) -> None:
        self.inside -= 1
        held = self._by_source.get(source.key, 0) - 1
        if held > 0:
            self._by_source[source.key] = held
        else:
            self._by_source.pop(source.key, None)

    def look(self) -> None:
        """Open again when there is room; called four times a second."""
        if self._is_shut and self.inside <= self.most * _REOPEN:
            self._is_shut = False
            self.open()


def _nothing() -> None:
    pass
