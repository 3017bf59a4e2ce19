"""The child's side of the process model: what a worker process gets from its supervisor, and tells it."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from edgeproxy.runtime.channel import Channel, Message
from edgeproxy.runtime.environment import (
    EXIT_CONFIGURATION,
    EXIT_FAILURE,
    EXIT_NOT_STARTED,
    EXIT_USAGE,
    ConfigurationError,
)
from edgeproxy.runtime.spawn import SUPERVISORS

# No program's prefix: these must not look like misspelt settings.
CHANNEL_FD: Final = "RUNTIME_CHANNEL_FD"
LISTEN_FDS: Final = "RUNTIME_LISTEN_FDS"
SLOT: Final = "RUNTIME_SLOT"
DRAIN: Final = "RUNTIME_DRAIN_SECONDS"

BEAT_INTERVAL: Final = 1.0
ORPHAN_DRAIN: Final = 5.0  # seconds for what is in flight when the supervisor is gone
GRACE: Final = 1.0  # seconds after the deadline, for a program's own closing

log = structlog.get_logger(__name__)


class Child:
    """Handed to a program's `main`, which serves on `sockets` (non-blocking, listening), says `ready()`,
    waits in `until_drain()`, then finishes what is in flight and returns. `replaced`: another process is at its place
    by then, or the supervisor is gone and cannot say."""

    def __init__(self, slot: int, sockets: list[socket.socket], drain: float) -> None:
        self.slot = slot
        self.sockets = sockets
        self.is_ready = False
        self.replaced = False
        self._drain_default = drain
        self._draining: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._channel: Channel | None = None
        self._handler: Callable[[Message], None] | None = None
        self._early: dict[str, Message] = {}

    @property
    def on_message(self) -> Callable[[Message], None] | None:
        return self._handler

    @on_message.setter
    def on_message(self, handler: Callable[[Message], None]) -> None:
        """From now on, and at once for what came before: of each type the last."""
        self._handler = handler
        early, self._early = self._early, {}
        for message in early.values():
            handler(message)

    def ready(self) -> None:
        """The program serves: the supervisor may count on it, and expects a beat from now on."""
        self.is_ready = True
        self.send({"type": "ready"})
        self._beat()

    def send(self, message: Message) -> None:
        """To the supervisor, without waiting; while it does not read, of each type the last is kept."""
        if self._channel is not None:
            self._channel.send(message)

    async def until_drain(self) -> float:
        """Wait to be told to leave; how many seconds there are for what is in flight."""
        return await asyncio.shield(self._draining)

    async def connect(self, sock: socket.socket) -> None:
        self._channel = await Channel.open(sock, self._receive, self._orphaned)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._drain, self._drain_default)

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()
        for sock in self.sockets:
            sock.close()

    def _beat(self) -> None:
        self.send({"type": "beat"})
        asyncio.get_running_loop().call_later(BEAT_INTERVAL, self._beat)

    def _receive(self, message: Message) -> None:
        if message["type"] == "drain":
            self._drain(float(message["seconds"]), replaced=message.get("replaced") is True)
        elif self._handler is not None:
            self._handler(message)
        else:
            self._early.pop(message["type"], None)
            self._early[message["type"]] = message

    def _orphaned(self) -> None:
        self._drain(ORPHAN_DRAIN, replaced=True)

    def _drain(self, seconds: float, replaced: bool = False) -> None:
        """The first to say so counts, but nothing prolongs; a program that overstays is ended from within,
        because there may be no supervisor left to do it."""
        asyncio.get_running_loop().call_later(seconds + GRACE, os._exit, EXIT_FAILURE)
        if not self._draining.done():
            self.replaced = replaced
            self._draining.set_result(seconds)


def run_child(main: Callable[[Child], Awaitable[None]]) -> int:
    """Run a program's `main` as a child; the exit code (78 and 3 tell the supervisor not to try again)."""
    for number in SUPERVISORS:  # a terminal sends them to the whole group; we were started with them blocked
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SUPERVISORS)
    if CHANNEL_FD not in os.environ:
        print("error: this command is started by its supervisor only", file=sys.stderr)
        return EXIT_USAGE
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(main))


async def _run(main: Callable[[Child], Awaitable[None]]) -> int:
    channel, child = _inherit(os.environ)
    try:
        await child.connect(channel)
        await main(child)
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return EXIT_CONFIGURATION
    except Exception:
        log.exception("a child failed", slot=child.slot, ready=child.is_ready)
        return EXIT_FAILURE if child.is_ready else EXIT_NOT_STARTED
    finally:
        child.close()
    return 0


def _inherit(environ: Mapping[str, str]) -> tuple[socket.socket, Child]:
    """The descriptors that the supervisor passed, kept from what this process may itself start."""
    channel = _adopt(int(environ[CHANNEL_FD]))
    sockets = [_adopt(int(fd)) for fd in environ[LISTEN_FDS].split(",") if fd]
    return channel, Child(int(environ[SLOT]), sockets, float(environ[DRAIN]))


def _adopt(fd: int) -> socket.socket:
    sock = socket.socket(fileno=fd)
    sock.set_inheritable(False)
    sock.setblocking(False)
    return sock
