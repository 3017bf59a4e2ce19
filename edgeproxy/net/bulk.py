"""Large bodies of known length from socket to socket without passing through this process (splice(2)).

While a body is moved here, the source's transport is not read and nothing is written to the sink's, so the two ways
never mix. Both sockets are used through duplicates of their descriptors, since the loop does not lend its own.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
from typing import Any, Protocol

BULK_BYTES = 256 * 1024
"""What must be left of a body for the set-up (two duplicates, two registrations) to be worth it."""

_PIPE_BYTES = 1024 * 1024  # the most that an unprivileged process may ask for (fs.pipe-max-size)
_MAX_PIPES = 16  # kept for the next body; the kernel grants a user 64 MiB of pipes in all

_F_SETPIPE_SZ = 1031

Pipe = tuple[int, int]
_pipes: list[Pipe] = []


# How it ended.
WHOLE = 0
SOURCE_ENDED = 1
SINK_ENDED = 2


class Mover(Protocol):
    """Who has begun a bulk transfer, and hears of it."""

    def bulk_moved(self, count: int) -> None:
        """So many bytes have reached the sink's socket."""

    def bulk_waits_for_sink(self, waits: bool) -> None:
        """The sink takes nothing at the moment, or takes something again."""

    def bulk_ended(self, outcome: int) -> None:
        """WHOLE, SOURCE_ENDED or SINK_ENDED; the sockets are given back."""


def able(transport: Any) -> bool:
    """Whether this transport's bytes are those on the wire, and none of them wait in user space."""
    return (
        hasattr(os, "splice")
        and transport.get_extra_info("sslcontext") is None
        and transport.get_extra_info("socket") is not None
        and not transport.is_closing()
        and transport.get_write_buffer_size() == 0
    )


def has_more(transport: Any) -> bool:
    """Whether something waits in the socket: bytes, or its end."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))


class Bulk:
    """Moves `left` bytes from one transport's socket to another's, and tells `mover`."""

    __slots__ = (
        "_held",
        "_left",
        "_loop",
        "_mover",
        "_pipe",
        "_sink",
        "_source",
        "_writing",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, source: Any, sink: Any, left: int, mover: Mover) -> None:
        self._loop = loop
        self._left = left  # not yet taken from the source
        self._held = 0  # in the pipe
        self._mover = mover
        self._writing = False
        self._pipe = _take_pipe()
        self._source = os.dup(source.get_extra_info("socket").fileno())
        self._sink = os.dup(sink.get_extra_info("socket").fileno())
        loop.add_reader(self._source, self._readable)

    def stop(self) -> None:
        """Give the sockets back as they are; nothing is called any more."""
        if self._source < 0:
            return
        self._loop.remove_reader(self._source)
        self._loop.remove_writer(self._sink)
        os.close(self._source)
        os.close(self._sink)
        self._source = self._sink = -1
        _give_back(self._pipe, self._held == 0)

    def _readable(self) -> None:
        try:
            count = os.splice(self._source, self._pipe[1], min(self._left, _PIPE_BYTES))
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if count == 0:
            self._end(SOURCE_ENDED)
            return
        self._left -= count
        self._held = count
        self._pass_on()

    def _pass_on(self) -> None:
        """Everything that the pipe holds to the sink; what it does not take now waits until it does."""
        try:
            while self._held:
                count = os.splice(self._pipe[0], self._sink, self._held)
                self._held -= count
                self._mover.bulk_moved(count)
        except BlockingIOError:
            self._wait_for_sink()
            return
        except OSError:
            self._end(SINK_ENDED)
            return
        if self._left == 0:
            self._end(WHOLE)
        elif self._writing:
            self._writing = False
            self._loop.remove_writer(self._sink)
            self._loop.add_reader(self._source, self._readable)
            self._mover.bulk_waits_for_sink(False)

    def _wait_for_sink(self) -> None:
        if not self._writing:
            self._writing = True
            self._loop.remove_reader(self._source)
            self._loop.add_writer(self._sink, self._pass_on)
            self._mover.bulk_waits_for_sink(True)

    def _end(self, outcome: int) -> None:
        self.stop()
        self._mover.bulk_ended(outcome)


def _take_pipe() -> Pipe:
    if _pipes:
        return _pipes.pop()
    pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.fcntl(pipe[1], _F_SETPIPE_SZ, _PIPE_BYTES)
    except OSError:
        pass  # over the user's share: a small pipe works as well, in smaller steps
    return pipe


def _give_back(pipe: Pipe, empty: bool) -> None:
    if empty and len(_pipes) < _MAX_PIPES:
        _pipes.append(pipe)
    else:
        os.close(pipe[0])
        os.close(pipe[1])
