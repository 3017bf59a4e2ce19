"""The registry on disk: what a new start begins with. A file of rows, one JSON object a line, the last of a
worker counts.

Once a second the rows of those that changed are appended; heartbeats change nothing, so a quiet fleet writes
nothing. When most lines are outdated, the file is written anew beside the old one, and takes its place. A line
that is half written, by a crash, is the last one, and dropped. A file with anything else in it that is not
ours is set aside, with a message; what is good in it is used.
"""

import asyncio
import os
from pathlib import Path
from typing import Final

import orjson
import structlog

from coordinator.catalog import Catalog
from coordinator.record import Worker
from coordinator.registry import Registry
from coordinator.snapshot import VERSION, Malformed, Row, from_row, to_row

log = structlog.get_logger(__name__)

EVERY: Final = 1.0
CHUNK: Final = 200  # rows between two looks at the network: some 4 ms
SPARE: Final = 1000  # outdated lines that are not worth a new file
MAX_FILE: Final = 1024**3
MAX_LINE: Final = 512 * 1024
_HEADER: Final = {"edgeproxy_registry": VERSION}


class StateFile:
    """`load()` once, `follow()` until it is cancelled, `flush()` at the end."""

    def __init__(self, path: Path, registry: Registry) -> None:
        self._path, self._registry = path, registry
        self._mark = ""  # of nothing: the first flush writes the whole file
        self._lines = 0
        self._failed = False

    def load(self) -> list[Worker]:
        """The workers of the file; none if there is no file."""
        try:
            rows, fault = read_rows(self._path)
        except FileNotFoundError:
            return []
        except OSError as error:
            log.error("the state file cannot be read", path=str(self._path), reason=error.strerror)
            return []
        workers, bad = _workers(rows, self._registry.catalog)
        if fault := fault or bad:
            set_aside(self._path, fault)
        return workers

    async def follow(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await self.flush()

    async def flush(self) -> None:
        """What changed since the last time; an error is told once, and tried again."""
        changed = self._registry.events.since(self._mark)
        if changed == []:
            return
        mark = self._registry.events.mark
        try:
            if changed is None or self._lines > 2 * len(self._registry.workers) + SPARE:
                await self._write_anew()
            else:
                news = {event.worker_id for event in changed if event.worker_id and event.kind != "load"}
                await asyncio.to_thread(_append, self._path, await self._encoded(sorted(news)))
        except OSError as error:
            self._tell_failure(error)
        else:
            self._mark, self._failed = mark, False

    async def _write_anew(self) -> None:
        header = orjson.dumps(_HEADER) + b"\n"
        self._lines = 0
        content = await self._encoded(list(self._registry.workers))
        await asyncio.to_thread(replace_file, self._path, header + content)

    async def _encoded(self, worker_ids: list[str]) -> bytes:
        """Rows of these workers as they are when their turn comes; later changes are events after the mark."""
        lines = []
        for number, worker_id in enumerate(worker_ids, 1):
            worker = self._registry.workers.get(worker_id)
            row: Row = {"worker_id": worker_id, "gone": True} if worker is None else to_row(worker)
            lines.append(orjson.dumps(row))
            if number % CHUNK == 0:
                await asyncio.sleep(0)
        self._lines += len(lines)
        return b"".join(line + b"\n" for line in lines)

    def _tell_failure(self, error: OSError) -> None:
        self._mark = ""  # half of it may be there: the whole file is next
        if not self._failed:
            log.error("the state file cannot be written", path=str(self._path), reason=error.strerror)
        self._failed = True


def set_aside(path: Path, fault: str) -> None:
    """A damaged file keeps its content, under another name, for who wants to look."""
    aside = path.with_name(path.name + ".malformed")
    log.error("the state file is damaged and set aside", path=str(aside), reason=fault)
    try:
        path.replace(aside)
    except OSError as error:
        log.error("the state file cannot be set aside", path=str(path), reason=error.strerror)


def read_rows(path: Path) -> tuple[dict[str, Row], str | None]:
    """The last row of each worker, and what is wrong with the file, if anything. OSError."""
    rows: dict[str, Row] = {}
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size > MAX_FILE:
            return {}, f"it is longer than {MAX_FILE} bytes"
        if _parsed(file.readline(MAX_LINE)) != _HEADER:
            return {}, "line 1 is not the head of a state file"
        number = 1
        while line := file.readline(MAX_LINE):
            number += 1
            if not line.endswith(b"\n") and len(line) < MAX_LINE:
                break  # half written
            row = _parsed(line)
            if row is None or not isinstance(worker_id := row.get("worker_id"), str):
                return rows, f"line {number} is no row"
            rows.pop(worker_id, None)
            if row.get("gone") is not True:
                rows[worker_id] = row
    return rows, None


def _workers(rows: dict[str, Row], catalog: Catalog) -> tuple[list[Worker], str | None]:
    workers, fault = [], None
    for worker_id, row in rows.items():
        try:
            workers.append(from_row(row, catalog))
        except Malformed as error:
            fault = fault or f"worker {worker_id[:64]!r}: {error}"
    return workers, fault


def _parsed(line: bytes) -> Row | None:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return row if isinstance(row, dict) else None


def _append(path: Path, content: bytes) -> None:
    if content:
        with path.open("ab") as file:
            file.write(content)


def replace_file(path: Path, content: bytes) -> None:
    """All of it or nothing, also over a loss of power."""
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
