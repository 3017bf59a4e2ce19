"""The supervisor's side of one child process."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgeproxy.runtime.channel import Channel, Message, encode
from edgeproxy.runtime.child import CHANNEL_FD, DRAIN, LISTEN_FDS, SLOT
from edgeproxy.runtime.shared_memory import MEMORY_FD
from edgeproxy.runtime.spawn import exit_of, spawn


@dataclass(frozen=True)
class Program:
    """What a supervisor runs, and for how long it waits (seconds)."""

    name: str
    argv: Sequence[str]
    processes: int
    drain_s: float = 30.0
    start_timeout_s: float = 30.0
    hang_s: float = 30.0  # without a beat (they come every second): longer than any pause that is no hang
    environment: Mapping[str, str] = field(default_factory=dict)
    memory: int | None = None  # descriptor of what the children share, see `memory`


class ChildHandle:
    """One process. `became_ready` and `exited` (its code) are futures, `silence` counts ticks."""

    def __init__(self, slot: int, pid: int, exited: asyncio.Future[int], sock: socket.socket) -> None:
        self.slot = slot
        self.pid = pid
        self.exited = exited
        self._socket = sock
        self.became_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ready_at = 0.0
        self.silence = 0
        self._channel: Channel | None = None

    @classmethod
    def spawn(cls, program: Program, slot: int, sockets: Sequence[socket.socket]) -> "ChildHandle":
        """OSError if the system gives no process."""
        ours, theirs = socket.socketpair()
        with theirs:
            fds = [theirs.fileno(), *(sock.fileno() for sock in sockets)]
            try:
                process = spawn(program.argv, _environment(program, slot, fds), pass_fds=_passed(program, fds))
            except BaseException:
                ours.close()
                raise
        child = cls(slot, process.pid, exit_of(process), ours)
        child.exited.add_done_callback(lambda _: child.close())
        return child

    async def connect(self, receive: Callable[["ChildHandle", Message], None]) -> None:
        """From now on `receive` gets what the child sends."""
        self._channel = await Channel.open(self._socket, lambda message: self._hear(message, receive), lambda: None)

    @property
    def is_ready(self) -> bool:
        return self.became_ready.done()

    @property
    def lifetime(self) -> float:
        """Seconds since it was ready."""
        return time.monotonic() - self.ready_at if self.is_ready else 0.0

    async def until_ready(self, timeout: float) -> bool:
        """False if it ended or the time ran out before."""
        either: list[asyncio.Future[Any]] = [self.became_ready, self.exited]
        await asyncio.wait(either, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        return self.is_ready

    def send_line(self, kind: str, line: bytes) -> None:
        if self._channel is not None:
            self._channel.send_line(kind, line)

    def drain(self, seconds: float, *, replaced: bool) -> None:
        """A child that never was ready has nothing in flight: it is killed. `replaced`: another serves at its place."""
        if self.is_ready:
            self.send_line("drain", encode({"type": "drain", "seconds": seconds, "replaced": replaced}))
        else:
            self.kill()

    def kill(self) -> None:
        if not self.exited.done():  # the pid is ours until it is reaped
            os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()
        else:
            self._socket.close()

    def _hear(self, message: Message, receive: Callable[["ChildHandle", Message], None]) -> None:
        self.silence = 0
        if message["type"] == "beat":
            return
        if message["type"] != "ready":
            receive(self, message)
        elif not self.is_ready:
            self.ready_at = time.monotonic()
            self.became_ready.set_result(None)


def _passed(program: Program, fds: Sequence[int]) -> Sequence[int]:
    return fds if program.memory is None else [*fds, program.memory]


def _environment(program: Program, slot: int, fds: Sequence[int]) -> dict[str, str]:
    return {
        **os.environ,
        **program.environment,
        CHANNEL_FD: str(fds[0]),
        LISTEN_FDS: ",".join(map(str, fds[1:])),
        SLOT: str(slot),
        DRAIN: str(program.drain_s),
        MEMORY_FD: "" if program.memory is None else str(program.memory),
    }
