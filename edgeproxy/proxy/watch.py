"""What nobody says and must be looked for: slow requests, silent workers, and places for requests that wait.

Looks every `TICK` while a request waits for its answer to begin, and not at all otherwise. No timer is made for a
request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from edgeproxy.clock import Clock
from edgeproxy.errors import BUSY, SILENT, Fault
from edgeproxy.http.framing import NO_BODY
from edgeproxy.policy.retry import Stage
from edgeproxy.policy.traffic import Traffic
from edgeproxy.policy.worker import Worker
from edgeproxy.proxy.exchange import Exchange, Waiting
from edgeproxy.proxy.table import Pool
from edgeproxy.telemetry.counters import Counters

TICK = 0.02
"""Seconds: how exactly a hedge begins, and how often waiting requests are looked through (5 ns each)."""
UNHEARD = 5
"""Requests to a worker without a word from it: fewer may just be long ones."""


class Attempts(Protocol):
    """What the watch needs of the Forwarder."""

    clock: Clock
    waiting: Waiting
    counters: Counters
    later: Callable[[float, Callable[[], None]], Any]

    def send(self, exchange: Exchange, pool: Pool, worker: Worker) -> None: ...
    def failed(self, exchange: Exchange, fault: Fault, stage: Stage, reused: bool = False) -> None: ...
    def hedge(self, exchange: Exchange, worker: Worker) -> None: ...
    def give_up(self, exchange: Exchange, fault: Fault) -> None: ...


class Watch:
    """Runs while there is something to see. `queued` are the pools in which requests wait for a worker."""

    __slots__ = ("_admitting", "_attempts", "_queued", "running")

    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts
        self._queued: list[Traffic] = []
        self._admitting = False
        self.running = False

    def start(self) -> None:
        self.running = True
        self._attempts.later(TICK, self._tick)

    def enqueue(self, exchange: Exchange, pool: Pool) -> bool:
        """Let it wait for a worker; False where enough are waiting, or it has waited its time."""
        traffic = pool.traffic
        if len(traffic.queue) >= traffic.queue_limit:
            return False
        exchange.queued_until = self._attempts.clock.now + traffic.queue_seconds
        traffic.queue.append(exchange)
        self._attempts.counters.event("queued")
        if traffic not in self._queued:
            self._queued.append(traffic)
        if not self.running:
            self.start()
        return True

    def leave_queue(self, exchange: Exchange) -> None:
        """Its client left."""
        exchange.queued_until = 0.0
        queue = exchange.route.pool.traffic.queue  # type: ignore[union-attr]  # it is queued there
        if exchange in queue:
            queue.remove(exchange)

    def admit_soon(self, traffic: Traffic) -> None:
        """A place has become free; not in the middle of what frees it."""
        if not self._admitting:
            self._admitting = True
            self._attempts.later(0, self._admit)

    def _tick(self) -> None:
        attempts = self._attempts
        self.running = False
        now = attempts.clock.tick()
        self._look(now)
        self._serve(now)
        if not self.running and (attempts.waiting.count or self._queued):
            self.start()

    def _admit(self) -> None:
        self._admitting = False
        self._serve(self._attempts.clock.tick())

    def _serve(self, now: float) -> None:
        for traffic in list(self._queued):
            self._serve_one(traffic, now)
            if not traffic.queue:
                self._queued.remove(traffic)

    def _serve_one(self, traffic: Traffic, now: float) -> None:
        """The first come goes first; none passes one that finds no worker."""
        queue = traffic.queue
        while queue:
            exchange: Exchange = queue[0]
            pool = exchange.route.pool
            assert pool is not None
            if now >= exchange.queued_until:
                queue.popleft()
                exchange.queued_until = 0.0
                self._attempts.give_up(exchange, BUSY)
                continue
            worker = pool.strategy.pick(pool.workers, now, exchange.tried, exchange.key)
            if worker is None:
                return
            queue.popleft()
            self._attempts.send(exchange, pool, worker)

    def _look(self, now: float) -> None:
        """Through all that wait, the newest first."""
        exchange = self._attempts.waiting.newest
        while exchange is not None:
            older = exchange.older()
            if exchange.waiting and exchange.idempotent and exchange.request_done:
                self._look_at(exchange, now)
            # What was done may have answered others: then the rest is for the next look.
            exchange = older if older is None or older.waiting else None

    def _look_at(self, exchange: Exchange, now: float) -> None:
        pool, worker = exchange.route.pool, exchange.worker
        if pool is None or worker is None:
            return
        age = now - exchange.began
        traffic = pool.traffic
        silent = traffic.silent_after()
        if age > silent and worker.unheard >= UNHEARD and now - worker.quiet_since > silent:
            self._rescue(exchange, traffic)
        elif age > traffic.hedge_after() and _hedgeable(exchange):
            self._hedge(exchange, pool, worker, now)

    def _rescue(self, exchange: Exchange, traffic: Traffic) -> None:
        """The worker has stopped: have this request answered elsewhere, as fast as the budget of retries allows."""
        if not traffic.may_retry() or not exchange.replayable:
            return
        upstream = exchange.upstream
        self._attempts.counters.event("rescue")
        if upstream is not None:
            upstream.cancel()
        self._attempts.failed(exchange, SILENT, Stage.SENT)

    def _hedge(self, exchange: Exchange, pool: Pool, worker: Worker, now: float) -> None:
        other = pool.strategy.pick(pool.workers, now, [*(exchange.tried or ()), worker], exchange.key)
        if other is not None and other.available(now) and pool.traffic.take_hedge():
            self._attempts.hedge(exchange, other)


def _hedgeable(exchange: Exchange) -> bool:
    """Complete, without a body, and not yet asked of two."""
    head = exchange.head
    return not exchange.hedged and head.length in (NO_BODY, 0) and not exchange.bytes_in and not head.websocket_key
