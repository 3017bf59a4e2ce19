"""The one monotonic clock, in seconds, and the Date field made from wall time once a second."""

from __future__ import annotations

from email.utils import formatdate
from time import monotonic

__all__ = ["FOREVER", "DateField", "monotonic"]

FOREVER = float("inf")
"""A deadline that never comes."""


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
