"""The backend's connections: HTTP/1.1, one request at a time, no more than the scenarios need.

| request | answer |
|---|---|
| `GET /bytes/N` | N bytes of `payload` |
| `GET /cached/N` | the same, and any cache may keep it |
| `GET /counted/N` | the same, and it counts as executed |
| `POST` with a Content-Length | how many bytes arrived, in digits, after comparing each with `payload` |
| `GET /events` | a stream of events that has no end, see `events` |
| `GET /silent`, `GET /mute` | the first event of a stream and nothing more; nothing at all |
| `GET /arrived/ID`, `GET /left/ID` | when that happened to request ID, once it has, see `records` |
| `GET /watch/...` | what readers of event streams through a proxy saw, see `event_reader` |
| `GET /executed` | how often each request with an ID was executed |
| `GET /api/coordinator/workers` | a fleet of one, see `fleet` |

A request is named by its `X-Bench-Id`; a `POST` that has one counts as executed too. Where such a request was
answered, the connection is closed when it has been idle for RACE_IDLE_S. A leading `/service/NAME` is no part of the
path. Anything else, pipelining too, is a 400 and a closed connection.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Coroutine
from functools import lru_cache
from typing import Any, cast

from bench.backend.events import STREAM_HEAD, Ticker, chunk
from bench.backend.fleet import worker_list
from bench.backend.payload import REFUSAL, STORED, ok, payload
from bench.backend.records import Records
from bench.closed_loop import WrongAnswer
from bench.event_reader import Watch, watch
from bench.measure import ProcessEnded

MAX_BODY = 64 * 1024 * 1024  # bytes; a scenario needs 10 MiB
MAX_HEAD = 64 * 1024
RACE_IDLE_S = 0.2

_LINE = re.compile(rb"(GET|POST) (?:/service/[a-z-]+)?(/[!-~]*) HTTP/1\.1\r\n")


class House:
    """What the connections share."""

    def __init__(self) -> None:
        self.ticker = Ticker()
        self.records = Records()
        self._tasks: set[asyncio.Task[None]] = set()

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@lru_cache(maxsize=8)
def _download(digits: bytes) -> bytes | None:
    size = _size(digits)
    return None if size is None else ok(payload(size))


def _size(digits: bytes) -> int | None:
    if not digits.isdigit() or len(digits) > 9 or int(digits) > MAX_BODY:
        return None
    return int(digits)


class Backend(asyncio.Protocol):
    """One connection. `_left` counts the bytes of an upload that are still to come."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._pending = b""
        self._expected = b""
        self._left = 0
        self._request_id = ""
        self._watched = ""
        self._slot: int | None = None
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._upload(data)
            return
        if self._idle is not None:
            self._idle.cancel()
        data = self._pending + data
        end = data.find(b"\r\n\r\n")
        if end >= 0:
            self._pending = b""
            self._request(data, end + 4)
        elif len(data) <= MAX_HEAD:
            self._pending = data
        else:
            self._refuse()

    def _request(self, data: bytes, body_at: int) -> None:
        if data.startswith(b"GET /bytes/"):  # the measured way; the others have time
            self._answer(_download(data[11 : data.find(b" ", 11)]) if len(data) == body_at else None)
            return
        head, line = data[:body_at], _LINE.match(data)
        self._request_id = _field(head, b"x-bench-id").decode("ascii", "replace")
        if line and line[1] == b"POST":
            self._begin_upload(head, data[body_at:])
        elif line and len(data) == body_at:
            self._get(line[2])
        else:
            self._refuse()

    def _get(self, path: bytes) -> None:
        records = self._house.records
        match path.split(b"/")[1:]:
            case [b"bytes", digits]:
                self._answer(_download(digits))
            case [b"cached", digits]:
                size = _size(digits)
                self._answer(None if size is None else ok(payload(size), STORED))
            case [b"counted", digits]:
                self._execute(_download(digits))
            case [b"events"] if self._slot is None:
                self._slot = self._house.ticker.add(self._transport)
            case [(b"silent" | b"mute") as how]:
                self._watched = self._request_id
                records.happened("arrived", self._watched)
                if how == b"silent":
                    self._transport.write(STREAM_HEAD + chunk(0))
            case [b"arrived", request]:
                records.when("arrived", request.decode(), self._tell)
            case [b"left", request]:
                records.when("left", request.decode(), self._tell)
            case [b"watch", *numbers] if len(numbers) == 4 and all(map(bytes.isdigit, numbers)):
                self._house.background(self._watch(Watch(*map(int, numbers))))
            case [b"executed"]:
                self._answer(ok(records.take_executed()))
            case [b"api", b"coordinator", b"workers"]:
                self._answer(ok(worker_list(f"http://127.0.0.1:{self._port()}")))
            case _:
                self._refuse()

    def _port(self) -> int:
        return int(self._transport.get_extra_info("sockname")[1])

    async def _watch(self, wanted: Watch) -> None:
        found: dict[str, Any]
        try:
            found = await watch(wanted, self._port())
        except (WrongAnswer, ProcessEnded, OSError) as error:
            found = {"error": f"{type(error).__name__}: {error}"}
        self._answer(ok(json.dumps(found).encode()))

    def _tell(self, at: int) -> None:
        self._answer(ok(b"%d" % at))

    def _begin_upload(self, head: bytes, rest: bytes) -> None:
        size = _size(_field(head, b"content-length"))
        if size is None:
            self._refuse()
            return
        self._expected = payload(size)
        self._left = size
        self._upload(rest)

    def _upload(self, data: bytes) -> None:
        if not self._expected.startswith(data, len(self._expected) - self._left):
            self._refuse()
            return
        self._left -= len(data)
        if not self._left:
            self._execute(ok(b"%d" % len(self._expected)))

    def _execute(self, answer: bytes | None) -> None:
        self._answer(answer)
        if self._request_id:
            self._house.records.executed(self._request_id)
            self._idle = asyncio.get_running_loop().call_later(RACE_IDLE_S, self._transport.close)

    def _answer(self, answer: bytes | None) -> None:
        if answer is None:
            self._refuse()
        else:
            self._transport.write(answer)

    def _refuse(self) -> None:
        self._transport.write(REFUSAL)
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._idle is not None:
            self._idle.cancel()
        if self._slot is not None:
            self._house.ticker.remove(self._transport, self._slot)
        if self._watched:
            self._house.records.happened("left", self._watched)


def _field(head: bytes, name: bytes) -> bytes:
    """The value of a field, empty where there is none."""
    _, _, rest = head.lower().partition(b"\r\n" + name + b":")
    return rest[: rest.find(b"\r\n")].strip()
