"""Open-loop load: requests are due at their times whether or not earlier ones were answered, and timed from then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from bench.asking import NOTHING, Answer, Asker, request

PATIENCE_S = 8.0
_GET = request("GET /a")


@dataclass
class Tally:
    """`seconds` of every request by when it was due; `errors` are those that were not answered 200."""

    seconds: list[tuple[float, float]] = field(default_factory=list)
    errors: int = 0

    def at(self, share: float, since: float = 0.0, until: float = 1e9) -> float:
        """A percentile of those due between, in seconds."""
        chosen = sorted(took for due, took in self.seconds if since <= due < until)
        return chosen[min(len(chosen) - 1, int(share * len(chosen)))] if chosen else float("nan")


class _Clients:
    """Connections at rest, and new ones where there is none."""

    def __init__(self, port: int, tally: Tally) -> None:
        self._port = port
        self._tally = tally
        self._idle: list[Asker] = []

    async def ask(self, due: float, began: float) -> None:
        answer = await self._ask()
        if answer.status == 200:
            self._tally.seconds.append((due, perf_counter() - began - due))
        else:
            self._tally.errors += 1

    async def _ask(self) -> Answer:
        try:
            asker = self._idle.pop() if self._idle else await Asker.to(self._port)
        except (OSError, TimeoutError):
            return NOTHING
        answer = await asker.ask(_GET, PATIENCE_S)
        if not asker.closed:
            self._idle.append(asker)
        return answer

    def close(self) -> None:
        for asker in self._idle:
            asker.close()


async def offered(
    port: int, rate: float, seconds: float, fault: tuple[float, Callable[[], None]] | None = None
) -> Tally:
    """`rate` requests a second for `seconds`; `fault` is made at its time."""
    tally = Tally()
    clients = _Clients(port, tally)
    async with asyncio.TaskGroup() as group:
        began = perf_counter()
        for number in range(int(rate * seconds)):
            due = number / rate
            wait = due - (perf_counter() - began)
            if wait > 0:
                await asyncio.sleep(wait)
            if fault is not None and due >= fault[0]:
                fault[1]()
                fault = None
            group.create_task(clients.ask(due, began))
    clients.close()
    return tally
