"""Keys that are good no more: one a line, in a file that only grows."""

import logging
import os
from pathlib import Path
from typing import Final

from edgeproxy.cluster.proof import KEY, decode, encode

MOST: Final = 100_000  # as many as workers; a line has 44 bytes

log = logging.getLogger(__name__)


class RevokedFull(Exception):
    """No more keys can be revoked."""


class Revoked:
    """Without a file they are forgotten with this process."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._keys = set() if path is None else _read(path)

    def __contains__(self, key: bytes) -> bool:
        return key in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: bytes) -> None:
        """On the disk before it counts: OSError if it cannot be kept."""
        if key in self._keys:
            return
        if len(self._keys) >= MOST:
            raise RevokedFull
        if self._path is not None:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                # a newline first: what a crash left of an earlier line must not swallow this one
                file.write(b"\n" + encode(key).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        self._keys.add(key)


def _read(path: Path) -> set[bytes]:
    keys = set()
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return set()
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            keys.add(decode(line.decode("ascii"), KEY))
        except (ValueError, UnicodeDecodeError):
            log.warning("line %d of %s is no key, it revokes nothing", number, path)
    return keys
