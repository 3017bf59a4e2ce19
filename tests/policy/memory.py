"""Memory as the processes of a machine share it, for the tables that live in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from edgeproxy.policy.words import Words


@contextmanager
def shared_words(size: int) -> Iterator[Words]:
    """So many bytes, all zero."""
    fd = os.memfd_create("test")
    try:
        os.ftruncate(fd, size)
        yield Words(fd, size)
    finally:
        os.close(fd)
