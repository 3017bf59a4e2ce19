"""Reverse dial, the agent's side: to each process of each edge a few connections at rest, down which it sends requests.

As soon as one is taken, another is brought; what an edge closes or a router forgets is replaced. The answer to each
connection says which of the edge's processes it reached, and how many requests wait there for one.
"""

import asyncio
import re
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from edgeproxy.gateway import Gateway
from edgeproxy.runtime.backoff import Backoff
from edgeproxy.runtime.sockets import Bind
from edgeproxy.runtime.tasks import hold

SPARE: Final = 4  # connections at rest to each process of an edge: a burst that needs no waiting
MOST: Final = 128  # connections to one process; the edge takes 256
AT_ONCE: Final = 32  # connections that are being opened to one edge
TRIES: Final = 8  # a process: so many connections land elsewhere before we pause
TIMEOUT: Final = 5.0  # seconds for connect, TLS and 101
PACE: Final = 0.005  # seconds between two looks under load: one look serves all requests of that time
LOOK: Final = 1.0  # seconds until we look again whether all is there
MAX_HEAD: Final = 8 * 1024

_STATUS: Final = re.compile(rb"HTTP/1\.1 ([0-9]{3})[ \r]")
_PROCESS: Final = re.compile(rb"\r\nEdgeproxy-Process: ([0-9]{1,4})/([0-9]{1,4})\r\n", re.IGNORECASE)
_WANTED: Final = re.compile(rb"\r\nEdgeproxy-Wanted: ([0-9]{1,6})\r\n", re.IGNORECASE)

log = structlog.get_logger(__name__)


class Refused(Exception):
    """The edge took no connection of ours; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the 101 said. `early` are bytes of requests that came with it."""

    transport: Any
    slot: int
    processes: int
    wanted: int
    early: bytes


@dataclass(slots=True)
class Line:
    """One connection to one process of an edge, and what the gateway made of it."""

    slot: int
    connection: Any

    @property
    def open(self) -> bool:
        return not self.connection.transport.is_closing()

    @property
    def resting(self) -> bool:
        return self.connection.exchange is None


@dataclass(slots=True)
class EdgeLines:
    """Our connections to one edge. `run()` keeps them until it is cancelled."""

    url: str
    worker_id: str
    token: str
    gateway: Gateway
    accepted: asyncio.Event = field(default_factory=asyncio.Event)
    fault: str = "not tried yet"
    _lines: list[Line] = field(default_factory=list)
    _dials: set[asyncio.Task[None]] = field(default_factory=set)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _wanted: Counter[int] = field(default_factory=Counter)
    _processes: int = 1
    _misses: int = 0
    _backoff: Backoff = field(default_factory=lambda: Backoff(0.2, 10.0, jitter=True))

    def wake(self) -> None:
        """A request has begun: perhaps it took the last connection at rest."""
        self._wake.set()

    @property
    def connected(self) -> bool:
        return any(line.open for line in self._lines)

    async def run(self) -> None:
        try:
            while True:
                self._wake.clear()
                for _ in range(min(self._missing(), AT_ONCE - len(self._dials))):
                    dial = hold(self._dial())
                    self._dials.add(dial)
                    dial.add_done_callback(self._dialled)
                await self._pause()
        finally:
            for dial in self._dials:
                dial.cancel()

    def _missing(self) -> int:
        """Connections that should be on their way. Where one lands is the kernel's choice, so for a process that
        has too few all others get some, up to twice what they need."""
        self._lines = [line for line in self._lines if line.open]
        total, resting = Counter(), Counter()  # type: Counter[int], Counter[int]
        for line in self._lines:
            total[line.slot] += 1
            resting[line.slot] += line.resting
        missing = 0
        for slot in range(self._processes):
            spare = SPARE + (total[slot] - resting[slot]) // 2 + self._wanted[slot]
            missing += max(0, min(spare, MOST - total[slot]) - resting[slot])
        return missing - len(self._dials)

    async def _pause(self) -> None:
        if self._misses > TRIES * self._processes:
            self._misses = 0
            await asyncio.sleep(LOOK)
        elif self.fault and not self.connected and not self._dials:
            await asyncio.sleep(self._backoff.next())
            return
        await asyncio.sleep(PACE)
        try:
            async with asyncio.timeout(LOOK):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _dialled(self, dial: asyncio.Task[None]) -> None:
        self._dials.discard(dial)
        self._wake.set()

    async def _dial(self) -> None:
        try:
            accepted = await dial_in(self.url, self.worker_id, self.token)
        except (Refused, OSError, TimeoutError) as error:
            self._failed(str(error) or "it did not answer in time")
            return
        self._keep(accepted)

    def _failed(self, reason: str) -> None:
        if reason != self.fault:
            log.warning("the edge takes no connection of ours", edge=self.url, reason=reason)
        self.fault = reason

    def _keep(self, accepted: Accepted) -> None:
        if self.fault:
            log.info("dialled in", edge=self.url, processes=accepted.processes)
            self.fault = ""
            self._backoff.reset()
        self._processes = max(1, min(accepted.processes, 256))
        if accepted.transport.is_closing():
            self._failed("it closed the connection")
            return
        enough = sum(line.open and line.resting for line in self._lines if line.slot == accepted.slot) >= 2 * SPARE
        if enough and not accepted.wanted and not self._wanted[accepted.slot] and not accepted.early:
            self._misses += 1
            accepted.transport.abort()
            return
        self._misses = 0
        self._wanted[accepted.slot] = max(0, accepted.wanted - 1)
        self._lines.append(Line(accepted.slot, self.gateway.adopt(accepted.transport, accepted.early)))
        self.accepted.set()


class ReverseDial:
    """`edges()` names those to dial, and is asked again and again; `run()` until it is cancelled."""

    def __init__(self, gateway: Gateway, token: str, edges: Callable[[], list[str]]) -> None:
        self._gateway = gateway
        self._token = token
        self._edges = edges
        self._lines: dict[str, tuple[EdgeLines, asyncio.Task[None]]] = {}

    def wake(self) -> None:
        for lines, _ in self._lines.values():
            lines.wake()

    @property
    def connected(self) -> list[str]:
        """The edges that we have a connection to."""
        return [url for url, (lines, _) in self._lines.items() if lines.connected]

    @property
    def faults(self) -> dict[str, str]:
        return {url: lines.fault for url, (lines, _) in self._lines.items() if lines.fault}

    async def run(self, worker_id: str) -> None:
        try:
            while True:
                self._follow(self._edges(), worker_id)
                await asyncio.sleep(LOOK / 4)
        finally:
            self._follow([], worker_id)

    def _follow(self, edges: list[str], worker_id: str) -> None:
        for url in self._lines.keys() - set(edges):
            self._lines.pop(url)[1].cancel()
        for url in edges:
            if url not in self._lines:
                lines = EdgeLines(url, worker_id, self._token, self._gateway)
                self._lines[url] = (lines, hold(lines.run()))


async def dial_in(url: str, worker_id: str, token: str) -> Accepted:
    """One connection to the edge at that URL; Refused, OSError or TimeoutError."""
    parts = urlsplit(url)
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    host, port = parts.hostname or "", parts.port or (443 if tls else 80)
    asking = _Asking(_request(f"{Bind(host, port)}", worker_id, token))
    async with asyncio.timeout(TIMEOUT):
        transport, _ = await asyncio.get_running_loop().create_connection(lambda: asking, host, port, ssl=tls)
        try:
            head, early = await asking.answer
            return _understood(transport, head, early)
        except BaseException:
            transport.abort()
            raise


def _request(host: str, worker_id: str, token: str) -> bytes:
    return (
        f"GET /.well-known/edgeproxy/reverse HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n"
        f"Upgrade: edgeproxy-reverse\r\nEdgeproxy-Worker: {worker_id}\r\nEdgeproxy-Token: {token}\r\n\r\n"
    ).encode()


def _understood(transport: Any, head: bytes, early: bytes) -> Accepted:
    status, process, wanted = _STATUS.match(head), _PROCESS.search(head), _WANTED.search(head)
    if status is None:
        raise Refused("it does not speak HTTP/1.1: is it an edge proxy's URL?")
    if status[1] != b"101" or process is None:
        raise Refused(_MEANING.get(status[1], f"it answered {int(status[1])} to Upgrade: is it an edge proxy's URL?"))
    return Accepted(transport, int(process[1]), int(process[2]), int(wanted[1]) if wanted else 0, early)


_MEANING: Final = {
    b"403": "it does not know this machine yet, or another one has its id",
    b"503": "it has enough connections of ours, or is leaving",
}


class _Asking(asyncio.Protocol):
    """Sends the request, waits for the head of its answer."""

    def __init__(self, request: bytes) -> None:
        self.answer: asyncio.Future[tuple[bytes, bytes]] = asyncio.get_running_loop().create_future()
        self._transport: Any = None
        self._request = request
        self._got = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, early = self._got.partition(b"\r\n\r\n")
        if self.answer.done():
            return
        if end:
            self._transport.pause_reading()  # what follows is for the gateway
            self.answer.set_result((head + b"\r\n", early))
        elif len(self._got) > MAX_HEAD:
            self.answer.set_exception(Refused("its answer has no end: is it an edge proxy's URL?"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_exception(Refused("it closed the connection"))
