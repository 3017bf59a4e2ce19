"""The attempts of an exchange: pick a worker, get a connection, send; and when that fails, the retry rule.

Every way out of an attempt comes through here, so that a worker's count in flight always comes back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from edgeproxy.clock import Clock
from edgeproxy.errors import NO_WORKER, RESPONSE_TIMEOUT, STALLED, Fault
from edgeproxy.policy.retry import Stage, Verdict, judge
from edgeproxy.policy.worker import Worker
from edgeproxy.proxy.exchange import Exchange, Peer


class Dialer(Protocol):
    """Where connections to workers come from."""

    def idle(self, worker: Worker, exchange: Exchange) -> Peer | None:
        """A connection at rest that this exchange may use."""

    def dial(self, worker: Worker, exchange: Exchange, forwarder: Forwarder) -> None:
        """Open one; the forwarder hears of it by `connected` or `failed`."""


class Forwarder:
    """Runs the attempts of all exchanges of a process.

    `report` is told of a worker that failed or of a pool without one, so that somebody looks; it is called with
    the worker's id, or "" for an empty pool.
    """

    def __init__(self, dialer: Dialer, clock: Clock, report: Callable[[str], None]) -> None:
        self._dialer = dialer
        self._clock = clock
        self._report = report

    def start(self, exchange: Exchange) -> None:
        """Send the request to a worker, at once where a connection waits."""
        pool = exchange.route.pool
        worker = None
        if pool is not None:
            worker = pool.strategy.pick(pool.workers, self._clock.now, exchange.tried)
        if worker is None:
            self._report("")
            exchange.client.answer(exchange, exchange.fault or NO_WORKER)
            return
        exchange.worker = worker
        worker.in_flight += 1
        upstream = self._dialer.idle(worker, exchange)
        if upstream is None:
            self._dialer.dial(worker, exchange, self)
        else:
            exchange.upstream = upstream
            upstream.begin(exchange)

    def connected(self, exchange: Exchange, upstream: Peer) -> None:
        """The connection that was dialled for this exchange is there."""
        exchange.upstream = upstream
        upstream.begin(exchange)

    def succeeded(self, exchange: Exchange) -> None:
        """The worker's answer is complete and forwarded."""
        worker = self._release(exchange)
        if worker is not None:
            worker.succeeded()
        exchange.fault = None  # of an earlier attempt
        if exchange.record is not None:
            exchange.record.finish()
        exchange.client.finish(exchange)

    def failed(self, exchange: Exchange, fault: Fault, stage: Stage, reused: bool = False) -> None:
        """An attempt ended without a whole answer: again elsewhere, again here, or not again."""
        worker = self._release(exchange)
        verdict = judge(
            stage,
            reused=reused,
            idempotent=exchange.idempotent,
            replayable=exchange.replayable,
            raced=exchange.raced,
            timed_out=fault in (RESPONSE_TIMEOUT, STALLED),
            failovers=exchange.failovers,
        )
        raced = reused and stage is Stage.SENT
        if worker is not None and not raced:
            worker.failed(self._clock.now)
            self._report(worker.id)
        exchange.fault = fault
        if exchange.responding:
            exchange.client.break_off(exchange, fault)
        elif verdict is Verdict.FRESH_CONNECTION and worker is not None:
            self._again(exchange, worker)
        elif verdict is Verdict.ANOTHER_WORKER and worker is not None:
            exchange.failovers += 1
            exchange.tried = [*(exchange.tried or ()), worker]
            if stage is not Stage.NOTHING_SENT:
                exchange.rewind()
            self.start(exchange)
        else:
            exchange.client.answer(exchange, fault)

    def cancel(self, exchange: Exchange) -> None:
        """The client left, or is refused: the worker need not go on, and it is not the worker's failure."""
        upstream = exchange.upstream
        self._release(exchange)
        if upstream is not None:
            upstream.cancel()

    def _again(self, exchange: Exchange, worker: Worker) -> None:
        """Once more to the same worker, on a connection of its own (RFC 9112 section 9.5)."""
        exchange.raced = True
        exchange.rewind()
        exchange.worker = worker
        worker.in_flight += 1
        self._dialer.dial(worker, exchange, self)

    def _release(self, exchange: Exchange) -> Worker | None:
        worker = exchange.worker
        if worker is not None:
            worker.in_flight -= 1
            exchange.worker = None
        exchange.upstream = None
        return worker
