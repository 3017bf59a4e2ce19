"""A program that we run for somebody: kept running, its output in our log, ended with all it started."""

import asyncio
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

import structlog

from edgeproxy.runtime.backoff import Backoff
from edgeproxy.runtime.spawn import describe_exit, exit_of, signal_group, spawn
from edgeproxy.runtime.tasks import hold

State = Literal["starting", "running", "backoff", "stopped"]

MAX_LINE: Final = 8 * 1024  # bytes of one line of output that are kept; the rest is dropped
TAIL: Final = 20  # lines that are remembered, to tell why it ended
LAST_WORDS: Final = 1.0  # seconds for output that is still in the pipe at the end

log = structlog.get_logger(__name__)


class ManagedProcess:
    """One service child, in its own process group. `environment` is all that it gets.

    `on_change()` is called at each change of `state`; `on_line(text)` gets its output, by default the log.
    It dies with us even if we are killed (Linux: PR_SET_PDEATHSIG).
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        backoff: Backoff | None = None,
        on_change: Callable[[], None] = lambda: None,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        self.name = name
        self.state: State = "stopped"
        self.pid: int | None = None
        self.starts = 0
        self.tail: deque[str] = deque(maxlen=TAIL)
        self._argv = list(argv)
        self._environment = dict(environment)
        self._backoff = backoff or Backoff(0.5, 30.0)
        self._on_change = on_change
        self._log = log.bind(service=name)
        self._on_line = on_line or (lambda line: self._log.info("output", line=line))
        self._keeper: asyncio.Task[None] | None = None
        self._output: asyncio.Task[None] | None = None
        self._exited: asyncio.Future[int] | None = None

    async def start(self) -> None:
        """Returns when the process exists or a next try is due. Whether it serves, only asking it can tell."""
        if self._keeper is None:
            self._set("starting")
            self._spawn()
            self._keeper = hold(self._keep())

    def set_command(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        """What is run from the next start on."""
        self._argv, self._environment = list(argv), dict(environment)

    async def stop(self, grace_s: float = 10.0) -> None:
        """SIGTERM to its group, SIGKILL after the grace: nothing of it is left when this returns."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
            self._keeper = None
        try:
            await self._terminate(grace_s)
        finally:  # also if we are cancelled in our patience
            self.kill()
        if self._exited is not None:
            await asyncio.shield(self._exited)
        if self._output is not None:
            await asyncio.wait({self._output})
        self.pid = None
        self._set("stopped")

    def kill(self) -> None:
        """Now; it is started again unless it is being stopped."""
        self._signal(signal.SIGKILL)

    async def _terminate(self, grace_s: float) -> None:
        self._signal(signal.SIGTERM)
        if self._exited is not None:
            await asyncio.wait({self._exited}, timeout=grace_s)
            if not self._exited.done():
                self._log.warning("did not end in time, it is killed", pid=self.pid, grace_s=grace_s)

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is not None and self._exited is not None and not self._exited.done():
            signal_group(self.pid, number)

    async def _keep(self) -> None:
        while True:
            started = time.monotonic()
            if self._exited is not None:
                code = await asyncio.shield(self._exited)
                self._log.warning("ended", pid=self.pid, how=describe_exit(code), tail=list(self.tail)[-3:])
            self.pid = None
            self._set("backoff")
            await asyncio.sleep(self._backoff.next(time.monotonic() - started))
            self._spawn()

    def _spawn(self) -> None:
        self._exited = None
        try:
            process = spawn(self._argv, self._environment, service=True)
        except OSError as error:
            self._log.error("cannot be started", command=self._argv[0], reason=error.strerror)
            return
        self.pid = process.pid
        self.starts += 1
        self._exited = exit_of(process, whole_group=True)
        self._output = hold(self._drain_output(process, self._exited))
        self._log.info("started", pid=process.pid)
        self._set("running")

    def _set(self, state: State) -> None:
        if state != self.state:
            self.state = state
            self._on_change()

    async def _drain_output(self, process: subprocess.Popen[bytes], exited: asyncio.Future[int]) -> None:
        lines = _Lines(self._note)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: lines, process.stdout)
        try:
            await asyncio.wait({exited})
            await asyncio.wait({lines.ended}, timeout=LAST_WORDS)  # who left its group may hold the pipe open
        finally:
            transport.close()

    def _note(self, line: str) -> None:
        self.tail.append(line)
        self._on_line(line)


class _Lines(asyncio.Protocol):
    """Cuts output into lines of at most MAX_LINE bytes."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._note = note
        self._line = bytearray()

    def data_received(self, data: bytes) -> None:
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._append(end)
            self._flush()
        self._append(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._line:
            self._flush()
        if not self.ended.done():
            self.ended.set_result(None)

    def _append(self, data: bytes) -> None:
        self._line += data[: MAX_LINE - len(self._line)]

    def _flush(self) -> None:
        self._note(self._line.decode(errors="replace").rstrip("\r"))
        self._line.clear()
