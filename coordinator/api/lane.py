"""The lane: what agents ask most is answered inside `data_received`, without a task; all the rest is aiohttp's.

Both are on the same port and the same connection. A connection belongs to the lane until something comes that is not
plain (`plain`); then it is aiohttp's for good. A plain request for another path is handed on whole, and the connection
comes back with its answer. So aiohttp sees either whole requests, or everything.
"""

import asyncio
import logging
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from time import monotonic
from typing import Final, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from coordinator.api import agents
from coordinator.api.calls import Call, Reply
from coordinator.api.middleware import request_id_for
from coordinator.api.plain import MAX_PLAIN, Incomplete, Plain, read_plain
from coordinator.api.state import State

log = logging.getLogger(__name__)

MOST_CONNECTIONS: Final = 120_000  # every worker of the largest fleet, and some readers; 3 KB each
IDLE: Final = 75.0  # longer than any interval between heartbeats of old agents: they keep their connection
HALF: Final = 10.0  # seconds for a request to be whole
SWEEP: Final = 2.0

HOT: Final[dict[tuple[bytes, bytes], agents.Handler]] = {
    (b"POST", b"/api/worker/heartbeat"): agents.heartbeat,
    (b"POST", b"/v1/heartbeat"): agents.heartbeat,
    (b"POST", b"/api/worker/register"): agents.register,
    (b"POST", b"/v1/register"): agents.register,
    (b"GET", b"/v1/challenge"): agents.challenge,
}
BEATS: Final = frozenset({b"/api/worker/heartbeat", b"/v1/heartbeat"})
_REASONS: Final = {status.value: status.phrase.encode() for status in HTTPStatus}


class Lanes:
    """The connections of one listener. `new` is the protocol factory."""

    def __init__(self, state: State, server: web.Server) -> None:
        self.state = state
        self.server = server
        self.open: set[Lane] = set()
        self.date = b""
        self._dated = 0.0

    def new(self) -> "Lane":
        return Lane(self)

    async def sweep_forever(self) -> None:
        """Ends connections on which nothing comes."""
        while True:
            await asyncio.sleep(SWEEP)
            now = monotonic()
            for lane in tuple(self.open):
                lane.end_if_idle(now)

    def close_resting(self) -> None:
        """We leave: no connection is kept for another request."""
        for lane in tuple(self.open):
            lane.close_if_resting()

    def broke(self, lane: "Lane") -> None:
        """A connection that carried heartbeats is gone, and nobody said good-bye on it."""
        state = self.state
        if lane.beats_of is not None and not state.draining:
            state.registry.broken(lane.beats_of, state.clock())

    def dated(self, now: float) -> bytes:
        if now - self._dated >= 1.0:
            self._dated, self.date = now, formatdate(usegmt=True).encode()
        return self.date


class Lane(asyncio.Protocol):
    """One connection. `beats_of` is the worker whose proven heartbeats come on it."""

    def __init__(self, lanes: Lanes) -> None:
        self.beats_of: str | None = None
        self._lanes = lanes
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._data = b""
        self._heard = monotonic()
        self._half_since = 0.0  # from when on a request is not yet whole
        self._aiohttp: RequestHandler | None = None
        self._handed_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        address = transport.get_extra_info("peername")
        self._peer = address[0].partition("%")[0] if isinstance(address, tuple) else ""
        if len(self._lanes.open) >= MOST_CONNECTIONS:
            self._transport.abort()
        self._lanes.open.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._lanes.open.discard(self)
        if self._aiohttp is not None:
            self._aiohttp.connection_lost(error)
        self._lanes.broke(self)
        self._transport = None

    def eof_received(self) -> bool | None:
        return None if self._aiohttp is None else self._aiohttp.eof_received()  # type: ignore[func-returns-value]

    def pause_writing(self) -> None:
        """The peer does not read its answers: neither do we read its questions."""
        if self._aiohttp is not None:
            self._aiohttp.pause_writing()
        elif self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._aiohttp is not None:
            self._aiohttp.resume_writing()
        elif self._transport is not None:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._heard = monotonic()
        if self._handed_over:
            self._hand_on(data)
            return
        data = self._data + data if self._data else data
        try:
            while data and (request := read_plain(data)) is not None:
                self._answer(request, data[: request.size])
                data = data[request.size :]
            self._data = b""
        except Incomplete:
            if not self._data:
                self._half_since = self._heard
            self._data = data
            if len(data) <= MAX_PLAIN:
                return
        if data:
            self._handed_over, self._data = True, b""
            self._hand_on(data)

    def end_if_idle(self, now: float) -> None:
        late = now - self._half_since > HALF if self._data else now - self._heard > IDLE
        if late and self._is_free():
            self._close()

    def close_if_resting(self) -> None:
        if not self._data and self._aiohttp is None:
            self._close()

    def _answer(self, request: Plain, raw: bytes) -> None:
        handler = HOT.get((request.method, request.path))
        if handler is None or not self._is_free():
            self._hand_on(raw)
            return
        call = Call(self._peer, request.headers, request.body)
        reply = _safely(handler, self._lanes.state, call)
        if request.path in BEATS:
            self.beats_of = call.proven if reply.status == 200 else None
        self._write(reply, request.headers)

    def _write(self, reply: Reply, headers: dict[str, str]) -> None:
        if self._transport is None:
            return
        more = "".join(f"{name}: {value}\r\n" for name, value in (reply.headers or {}).items()).encode()
        self._transport.write(
            b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nDate: %b\r\nServer: coordinator\r\n"
            b"X-Request-ID: %b\r\n%b\r\n%b"
            % (
                reply.status,
                _REASONS[reply.status],
                reply.content_type.encode(),
                len(reply.body),
                self._lanes.dated(self._heard),
                request_id_for(headers.get("x-request-id", "")).encode(),
                more,
                reply.body,
            )
        )

    def _hand_on(self, data: bytes) -> None:
        if self._aiohttp is None:
            assert self._transport is not None
            self._aiohttp = self._lanes.server()
            self._aiohttp.connection_made(self._transport)
        self._aiohttp.data_received(data)

    def _is_free(self) -> bool:
        """Whether aiohttp has answered all that it was given."""
        if self._aiohttp is None:
            return True
        waiter = self._aiohttp._waiter
        return waiter is not None and not waiter.done() and not self._aiohttp._messages

    def _close(self) -> None:
        self.beats_of = None  # it is us who end it
        if self._transport is not None:
            self._transport.close()


def _safely(handler: Callable[[State, Call], Reply], state: State, call: Call) -> Reply:
    try:
        return agents.answered(handler, state, call)
    except Exception:
        log.exception("a request of an agent failed")
        return agents.DEFECT
