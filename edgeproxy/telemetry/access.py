"""The access log: one JSON line an exchange, written at its end, in batches and never by the loop's thread.

Names are those of OpenTelemetry's HTTP conventions. A line is joined from pieces that were written before: a service's
lines differ in little more than the request's id.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, BinaryIO

import orjson

from edgeproxy.http.answer import stands_in_json

MAX_WAITING = 4 * 1024 * 1024
"""Bytes that wait for a reader of the log; beyond them lines are dropped and counted, not held."""

_REMEMBERED = 4096  # pieces of each kind

# Pieces of lines that were written before, by what they say.
_methods: dict[bytes, bytes] = {}
_statuses: dict[int, bytes] = {}
_routes: dict[str, bytes] = {}
_seconds: dict[int, bytes] = {}
_received: dict[int, bytes] = {}
_sent: dict[int, bytes] = {}
_workers: dict[str, bytes] = {}
_addresses: dict[str, bytes] = {}
_callers: dict[str, bytes] = {}


def line(
    method: bytes,
    path: bytes,
    status: int,
    route: str,
    seconds: float,
    bytes_in: int,
    bytes_out: int,
    worker: str,
    request_id: bytes,
    address: str,
    caller: str,
    fault: str,
    failovers: int,
) -> bytes:
    """The fields of one exchange and the end of the line. `path` goes without its query, which may hold secrets; an
    empty `caller` or `fault` is none."""
    ending = b',"fault":null,"failovers":0}\n'
    if fault or failovers:
        ending = b',"fault":%b,"failovers":%d}\n' % (orjson.dumps(fault or None), failovers)
    return b"".join(
        (
            _methods.get(method) or _method(method),
            _text(path),
            _statuses.get(status) or _counted(_statuses, status, b'","http.response.status_code":'),
            _routes.get(route) or _named(_routes, route, b',"http.route":', b',"duration_s":'),
            _duration(seconds),
            _received.get(bytes_in) or _counted(_received, bytes_in, b',"request_bytes":'),
            _sent.get(bytes_out) or _counted(_sent, bytes_out, b',"response_bytes":'),
            _workers.get(worker) or _named(_workers, worker, b',"worker":', b',"request_id":"'),
            _text(request_id),
            _addresses.get(address) or _named(_addresses, address, b'","client.address":', b',"enduser.id":'),
            (_callers.get(caller) or _named(_callers, caller, b"", b"")) if caller else b"null",
            ending,
        )
    )


def _text(value: bytes) -> bytes:
    """As it stands in a JSON string; only what trusted proxies call a request has more than plain characters."""
    return value if stands_in_json(value) else _escaped(value)


def _escaped(value: bytes) -> bytes:
    return orjson.dumps(value.decode("latin-1")).removeprefix(b'"').removesuffix(b'"')


def _method(method: bytes) -> bytes:
    piece = b'"http.request.method":"%b","url.path":"' % method
    return _remembered(_methods, method, piece)


def _counted(pieces: dict[int, bytes], value: int, before: bytes) -> bytes:
    return _remembered(pieces, value, b"%b%d" % (before, value))


def _named(pieces: dict[str, bytes], value: str, before: bytes, after: bytes) -> bytes:
    return _remembered(pieces, value, before + orjson.dumps(value) + after)


def _duration(seconds: float) -> bytes:
    """Seconds, to the microsecond."""
    micros = int(seconds * 1e6 + 0.5)
    return _seconds.get(micros) or _remembered(_seconds, micros, b"%.6f" % seconds)


def _remembered(pieces: dict[Any, bytes], key: Any, piece: bytes) -> bytes:
    if len(pieces) >= _REMEMBERED:  # addresses of clients long gone, sizes that never come again
        pieces.clear()
    pieces[key] = piece
    return piece


class AccessLog:
    """Collects lines; `flush` hands them to a thread, since a full pipe would otherwise stop the process."""

    def __init__(self, out: BinaryIO | None = None) -> None:
        self._out = out or sys.stdout.buffer
        self._lines: list[bytes] = []
        self._queued = 0  # bytes; the loop's thread alone counts up
        self._written = 0  # bytes; the writer's thread alone counts up
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="access-log")
        self.dropped = 0
        self._opened_at = -1
        self._opened = b""

    def add(self, now: float, line: bytes) -> None:
        """`now` is monotonic seconds; `line` is `line()`'s."""
        if self._queued - self._written > MAX_WAITING:
            self.dropped += 1
            return
        whole = self._opening(int(now * 1000.0)) + line
        self._queued += len(whole)
        self._lines.append(whole)

    def _opening(self, millisecond: int) -> bytes:
        """The line up to the record's own fields: the time, formatted once a millisecond."""
        if millisecond != self._opened_at:
            self._opened_at = millisecond
            shown = datetime.now(UTC).isoformat(timespec="milliseconds")
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
