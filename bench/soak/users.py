"""Clients that know what each answer must be. h11 reads the answers, so that framing is judged by somebody else.

What is counted is in `Counts`; what must be 0 is broken in the moment at which it is seen, with the number of the
request, so that logs can be searched for it.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import h11

from bench.soak.worker import content, event
from bench.soak.world import World

PATIENCE_S = 15.0
PAUSE_S = 0.02
SIZES = (0, 1, 100, 5000, 70_000, 600_000)
STREAM_EVENTS = 30
MAX_NOTED = 50

WHOLE, REFUSED, LOST, CUT, WRONG = "whole", "refused", "lost", "cut", "wrong"
"""An answer with its right body; an error that says so; none at all; one that began and can be seen not to be whole;
one that looks whole, or has other bytes, and is not what it must be."""


@dataclass(slots=True)
class Counts:
    """`results` by kind of request and what became of it."""

    results: Counter[tuple[str, str]] = field(default_factory=Counter)
    posted: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def add(self, kind: str, result: str, identity: int, why: str) -> None:
        self.results[kind, result] += 1
        if result != WHOLE and len(self.notes) < MAX_NOTED:
            self.notes.append(f"{kind} {identity}: {result}: {why}")

    def failed(self, *kinds: str, but: str = WHOLE) -> int:
        """Those that are neither WHOLE nor `but`."""
        return sum(
            count for (kind, result), count in self.results.items() if kind in kinds and result not in (WHOLE, but)
        )

    def of(self, result: str) -> int:
        return sum(count for (_, each), count in self.results.items() if each == result)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    whole: bool


class Users:
    """Keep-alive clients of one edge. `first`: their requests are numbered from there on."""

    def __init__(self, world: World, seed: int, first: int = 0) -> None:
        self.counts = Counts()
        self._world = world
        self._chance = random.Random(seed)
        self._numbers = itertools.count(first + 1)
        self._stopping = False

    def stop(self) -> None:
        self._stopping = True

    async def run(self, askers: int, streams: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(askers):
                group.create_task(self._ask_again())
            for _ in range(streams):
                group.create_task(self._stream_again())

    async def _ask_again(self) -> None:
        client = Client(self._world)
        try:
            while not self._stopping:
                await self._one(client)
                await asyncio.sleep(self._chance.uniform(0, 2 * PAUSE_S))
        finally:
            client.close()

    async def _one(self, client: Client) -> None:
        identity, size = next(self._numbers), self._chance.choice(SIZES)
        kind = self._chance.choices(("GET", "PUT", "POST"), (6, 2, 2))[0]
        counts, path = self.counts, "once" if kind == "POST" else "echo"
        sent = content(identity, min(size, 5000)) if kind != "GET" else b""
        if kind == "POST":
            counts.posted.add(identity)
        answer = await client.ask(kind, f"/{path}/{identity}/{size}", sent)
        counts.add(kind, *_judged(answer, content(identity, size), identity))

    async def _stream_again(self) -> None:
        while not self._stopping:
            client, identity, counts = Client(self._world), next(self._numbers), self.counts
            answer = await client.ask("GET", f"/stream/{identity}/{STREAM_EVENTS}", b"")
            expected = b"".join(event(identity, number) for number in range(STREAM_EVENTS))
            counts.add("stream", *_judged(answer, expected, identity))
            client.close()


def _judged(answer: Answer, expected: bytes, identity: int) -> tuple[str, int, str]:
    if answer.status == 200 and answer.whole:
        right = answer.body == expected
        return (WHOLE, identity, "") if right else (WRONG, identity, f"{len(answer.body)} of {len(expected)} bytes")
    if answer.status == 200:
        right = expected.startswith(answer.body)  # what there is of it must be right all the same
        return CUT if right else WRONG, identity, f"{len(answer.body)} of {len(expected)} bytes, then the end"
    return REFUSED if answer.status else LOST, identity, f"status {answer.status}"


class Client:
    """A keep-alive connection. An idempotent request that finds it closed is asked once more, as clients do."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._state = h11.Connection(h11.CLIENT)

    async def ask(self, method: str, path: str, body: bytes) -> Answer:
        reused = self._streams is not None
        answer = await self._tried(method, path, body)
        if reused and not answer.status and method != "POST":
            answer = await self._tried(method, path, body)
        return answer

    async def _tried(self, method: str, path: str, body: bytes) -> Answer:
        seen: list[Any] = []
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._exchange(method, path, body, seen)
        except (OSError, h11.RemoteProtocolError, EOFError):  # TimeoutError is an OSError
            self.close()
        return _answer(seen)

    async def _exchange(self, method: str, path: str, body: bytes, seen: list[Any]) -> None:
        reader, writer = await self._connected()
        writer.write(b"".join(self._wire(method, path, body)))
        while type(got := self._state.next_event()) is not h11.EndOfMessage:
            if got is h11.NEED_DATA:
                self._state.receive_data(await reader.read(65536))
            elif type(got) is h11.ConnectionClosed:
                raise EOFError
            else:
                seen.append(got)
        seen.append(h11.EndOfMessage())
        if self._state.our_state is self._state.their_state is h11.DONE:
            self._state.start_next_cycle()
        else:
            self.close()

    def _wire(self, method: str, path: str, body: bytes) -> Iterator[bytes]:
        fields = [("Host", "edge.example"), *([("Content-Length", str(len(body)))] if method != "GET" else [])]
        yield self._state.send(h11.Request(method=method, target=self._world.prefix + path, headers=fields)) or b""
        if body:
            yield self._state.send(h11.Data(data=body)) or b""
        yield self._state.send(h11.EndOfMessage()) or b""

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._world.port, ssl=self._world.tls)
            self._state = h11.Connection(h11.CLIENT)
        return self._streams

    def close(self) -> None:
        if self._streams:
            self._streams[1].transport.abort()
            self._streams = None


def _answer(seen: list[Any]) -> Answer:
    response = next((each for each in seen if type(each) is h11.Response), None)
    body = b"".join(each.data for each in seen if type(each) is h11.Data)
    return Answer(response.status_code if response else 0, body, bool(seen) and type(seen[-1]) is h11.EndOfMessage)
