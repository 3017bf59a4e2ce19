"""The access log: one JSON line an exchange, written at its end, in batches and never by the loop's thread."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
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

    def add(self, record: Mapping[str, Any]) -> None:
        """`record` holds no query and no credential."""
        if self._queued - self._written > MAX_WAITING:
            self.dropped += 1
            return
        line = orjson.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **record}) + b"\n"
        self._queued += len(line)
        self._lines.append(line)

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
