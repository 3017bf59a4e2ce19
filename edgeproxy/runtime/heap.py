"""Memory that ended connections leave behind, given back to the system: the C library would keep it for the next ones,
which may never come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LOOK = 2.0
"""Seconds between two looks."""
ENOUGH = 32
"""Connections that have ended: fewer leave little (with TLS a quarter of a MiB each)."""


class Heap:
    """`trim` gives back what is free; None where the C library cannot (musl)."""

    def __init__(self, trim: Callable[[], object] | None = None) -> None:
        self._trim = trim
        self._seen = 0  # ended at the last look,
        self._trimmed = 0  # and at the last trim

    def is_due(self, ended: int) -> bool:
        """Whether it is worth a trim; `ended` connections so far, of all that this process has had. While many come
        and go, what they leave is used again at once, and a trim would stop them for milliseconds."""
        calm = ended - self._seen < ENOUGH
        self._seen = ended
        if not calm or ended - self._trimmed < ENOUGH:
            return False
        self._trimmed = ended
        return True

    async def keep_small(self, ended: Callable[[], int]) -> None:
        """Until it is cancelled. The library works without the interpreter's lock, in a thread of its own."""
        while True:
            await asyncio.sleep(LOOK)
            if self.is_due(ended()) and (trim := self._trim or library_trim()) is not None:
                await asyncio.get_running_loop().run_in_executor(None, trim)


def library_trim() -> Callable[[], object] | None:
    """glibc's malloc_trim(3)."""
    import ctypes  # most processes never need it

    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
    return lambda: trim(ctypes.c_size_t(0))
