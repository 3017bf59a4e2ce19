"""The access log: one JSON line an exchange, written at its end, in batches and never by the loop's thread."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from time import time_ns
from typing import Any, BinaryIO

import orjson

MAX_WAITING = 4 * 1024 * 1024
"""Bytes that wait for a reader of the log; beyond them lines are dropped and counted, not held."""


class AccessLog:
    """Collects lines; `flush` hands them to a thread, since a full pipe would otherwise stop the process."""

    def __init__(self, out: BinaryIO | None = None) -> None:
        self._out = out or sys.stdout.buffer
        self._lines: list[bytes] = []
        self._queued = 0  # bytes; the loop's thread alone counts up
        self._written = 0  # bytes; the writer's thread alone counts up
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="access-log")
        self.dropped = 0
        self._opened_at = 0
        self._opened = b""

    def add(self, record: Mapping[str, Any]) -> None:
        """`record` holds no query and no credential."""
        if self._queued - self._written > MAX_WAITING:
            self.dropped += 1
            return
        line = b"%b%b\n" % (self._opening(), orjson.dumps(record)[1:])
        self._queued += len(line)
        self._lines.append(line)

    def _opening(self) -> bytes:
        """The line up to the record's own fields: the time, formatted once a millisecond."""
        now = time_ns() // 1_000_000
        if now != self._opened_at:
            self._opened_at = now
            shown = datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="milliseconds")
            self._opened = b'{"time":"%b",' % shown.encode("ascii")
        return self._opened

    def flush(self) -> None:
        if self._lines:
            lines, self._lines = self._lines, []
            self._writer.submit(self._write, b"".join(lines))

    def close(self) -> None:
        self.flush()
        self._writer.shutdown(wait=True)

    def _write(self, data: bytes) -> None:
        try:
            self._out.write(data)
            self._out.flush()
        except OSError:
            self.dropped += 1
        finally:
            self._written += len(data)
