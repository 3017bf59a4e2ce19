"""The one monotonic clock, in seconds, and the Date field made from wall time once a second."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from time import monotonic

__all__ = ["FOREVER", "Clock", "DateField", "monotonic"]

FOREVER = float("inf")
"""A deadline that never comes."""


class Clock:
    """The loop's time, read once at the beginning of each callback: `now` is what all that it does calls now."""

    __slots__ = ("_read", "now")

    def __init__(self, read: Callable[[], float]) -> None:
        self._read = read
        self.now = read()

    def tick(self) -> float:
        """Read the time; it is `now` from here on."""
        self.now = self._read()
        return self.now


class DateField:
    """`Date: ...` as bytes (RFC 9110 section 6.6.1), formatted at most once a second."""

    __slots__ = ("_line", "_made_at")

    def __init__(self) -> None:
        self._made_at = -FOREVER
        self._line = b""

    def line(self, now: float) -> bytes:
        """The field line with its CRLF; `now` is monotonic seconds."""
        if now - self._made_at >= 1.0:
            self._made_at = now
            self._line = b"Date: %s\r\n" % formatdate(usegmt=True).encode("ascii")
        return self._line
