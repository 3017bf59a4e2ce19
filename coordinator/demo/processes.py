"""The programs that the launcher has started, each with a log file, and their certain end."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import sys
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path

import psutil
import structlog
from rich.console import Console

from coordinator.demo.fleet import Member
from edgeproxy.runtime.process import ManagedProcess

GRACE = 10.0  # seconds for an agent to end its services, which drain for at most 8
COORDINATOR_GRACE = 3.0  # seconds; it has nothing to drain once the agents are gone
SWEEP = 1.0  # seconds for what was killed to be gone
LOG_BYTES = 8 * 1024 * 1024  # of one program's log, and as much again of the older part
TRIES = 3  # starts after which a program that ends again is broken
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class FleetError(Exception):
    """The fleet did not come up; the message is one line that says why."""


class Processes:
    """`start` members, `stop` all. `show`: where their output goes besides the log, or None.

    This process becomes the "subreaper" of everything below it, so that the children of an agent that was
    killed come to it, and `stop` finds them.
    """

    def __init__(self, logs: Path, show: Console | None) -> None:
        self.logs, self._show = logs, show
        self._running: list[ManagedProcess] = []
        self._handlers: list[RotatingFileHandler] = []
        logs.mkdir(parents=True, exist_ok=True)
        _adopt_orphans()
        _send_our_log_to(self._log("launcher"))

    async def start(self, member: Member) -> None:
        on_line = self._log(member.name)
        process = ManagedProcess(member.name, member.command, member.environment, on_line=on_line)
        self._running.append(process)
        await process.start()

    def refuse_failed(self) -> None:
        """FleetError for a program that does not stay up; while the fleet starts, none has reason to end."""
        for process in self._running:
            if process.starts >= TRIES and process.state == "backoff":
                words = (line.strip("│ ") for line in reversed(process.tail) if any(map(str.isalnum, line)))
                last = next(words, "no output")
                raise FleetError(f"{process.name} does not start: {last} (see {self.logs / process.name}.log)")

    async def stop(self) -> None:
        """Agents first, so that they unregister; then the coordinator; then whatever is left is killed."""
        try:
            await asyncio.gather(*(process.stop(GRACE) for process in self._running[1:]))
            for coordinator in self._running[:1]:
                await coordinator.stop(COORDINATOR_GRACE)
        finally:
            await asyncio.to_thread(_kill_descendants)
            for handler in self._handlers:
                handler.close()

    def _log(self, name: str) -> Callable[[str], None]:
        path = self.logs / f"{name}.log"
        path.unlink(missing_ok=True)  # of the run before
        handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=1)
        self._handlers.append(handler)

        def write(line: str) -> None:
            handler.handle(logging.makeLogRecord({"msg": line}))
            if self._show:
                self._show.print(f"{name:<12}| {line}", markup=False, highlight=False, soft_wrap=True)

        return write


def _send_our_log_to(write: Callable[[str], None]) -> None:
    """What the runtime reports of the programs (started, ended) goes beside their logs."""

    class Lines:
        def msg(self, message: str) -> None:
            write(message)

        debug = info = warning = error = critical = msg

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.dev.ConsoleRenderer(colors=False),
        ],
        logger_factory=lambda *_: Lines(),
    )


def _adopt_orphans() -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _kill_descendants() -> None:
    left = psutil.Process().children(recursive=True)
    for process in left:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            pass
    psutil.wait_procs(left, timeout=SWEEP)
