"""64-bit integers in memory that the processes of a machine share, changed by compare-and-swap.

Compiled, a swap is one instruction and no process can die inside it. Interpreted there is no such instruction: a
record lock on the word stands for it, which the kernel takes back from a process that dies.
"""

from __future__ import annotations

import fcntl
import mmap

WORD = 8
"""Bytes."""

COMPILED = not __file__.endswith(".py")


class Words:
    """The memory behind `fd`, as an array of signed integers."""

    __slots__ = ("_fd", "_memory", "base", "view")

    def __init__(self, fd: int, size: int) -> None:
        """`size` in bytes, a multiple of WORD."""
        self._fd = fd
        self._memory = mmap.mmap(fd, size)
        self.view = memoryview(self._memory).cast("q")
        if COMPILED:
            self.base = word_base(self.view)  # type: ignore[name-defined]  # noqa: F821  # of the .pxd

    def load(self, at: int) -> int:
        if COMPILED:
            return word_load(self, at)  # type: ignore[name-defined, no-any-return]  # noqa: F821
        return self.view[at]

    def swap(self, at: int, expected: int, wanted: int) -> bool:
        """Write `wanted` if the word is `expected`; whether it was."""
        if COMPILED:
            return word_swap(self, at, expected, wanted)  # type: ignore[name-defined, no-any-return]  # noqa: F821
        fcntl.lockf(self._fd, fcntl.LOCK_EX, WORD, at * WORD)
        try:
            found = self.view[at] == expected
            if found:
                self.view[at] = wanted
            return found
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, WORD, at * WORD)
