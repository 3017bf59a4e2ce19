"""The attempts of an exchange: pick a worker, get a connection, send; and when that fails, the retry rule.

Every way out of an attempt comes through here, so that a worker's count in flight always comes back. What must be
looked for rather than heard of, slow and silent workers and places that become free, is `watch.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from edgeproxy.clock import Clock
from edgeproxy.errors import (
    BUSY,
    CONNECT_FAILED,
    CONNECT_TIMEOUT,
    NO_WORKER,
    RESPONSE_TIMEOUT,
    SILENT,
    STALLED,
    TUNNEL_DOWN,
    TUNNEL_FAILED,
    Fault,
)
from edgeproxy.http.response import ResponseHead
from edgeproxy.policy import health, load
from edgeproxy.policy.affinity import PEEK_BYTES
from edgeproxy.policy.balance.base import worth_waiting
from edgeproxy.policy.intermediary import fault_of
from edgeproxy.policy.retry import Stage, Verdict, backoff, judge
from edgeproxy.policy.worker import Worker
from edgeproxy.proxy.exchange import Exchange, Peer, Waiting
from edgeproxy.proxy.table import Pool
from edgeproxy.proxy.watch import Watch
from edgeproxy.telemetry.counters import Counters

_UNREACHED = (CONNECT_FAILED, CONNECT_TIMEOUT, TUNNEL_DOWN, SILENT)


class Dialer(Protocol):
    """Where connections to workers come from."""

    def idle(self, worker: Worker, exchange: Exchange) -> Peer | None:
        """A connection at rest that this exchange may use."""

    def dial(self, worker: Worker, exchange: Exchange, forwarder: Forwarder) -> None:
        """Open one; the forwarder hears of it by `connected` or `failed`, unless the exchange's `attempt` is another
        by then."""


class Forwarder:
    """Runs the attempts of all exchanges of a process.

    `report` is told of a worker that failed or of a pool without one, so that somebody looks; it is called with
    the worker's id, or "" for an empty pool. `later(seconds, callback)` is the loop's.
    """

    def __init__(
        self,
        dialer: Dialer,
        clock: Clock,
        report: Callable[[str], None],
        later: Callable[[float, Callable[[], None]], Any],
        counters: Counters,
    ) -> None:
        self._dialer = dialer
        self._report = report
        self.clock = clock
        self.later = later
        self.counters = counters
        self.waiting = Waiting()
        self.watch = Watch(self)

    def start(self, exchange: Exchange) -> None:
        """Send the request to a worker, at once where a connection waits."""
        pool = exchange.route.pool
        if pool is None:
            exchange.client.answer(exchange, exchange.fault or NO_WORKER)
            return
        if pool.reader is not None and exchange.key == 0 and not self._found_key(exchange, pool):
            return
        worker = None
        if not pool.traffic.queue:
            worker = pool.strategy.pick(pool.workers, self.clock.now, exchange.tried, exchange.key)
        if worker is None:
            self._unplaced(exchange, pool)
        else:
            self.send(exchange, pool, worker)

    def send(self, exchange: Exchange, pool: Pool, worker: Worker) -> None:
        """One attempt, at this worker."""
        now = self.clock.now
        exchange.worker = worker
        exchange.began = now
        exchange.queued_until = 0.0
        worker.begin(now)
        pool.traffic.in_flight += 1
        self.waiting.add(exchange)
        if not self.watch.running:
            self.watch.start()
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

    def answering(self, exchange: Exchange, head: ResponseHead) -> Fault | None:
        """The head of an answer has come and nothing of it was forwarded: a fault, if it is no answer to forward."""
        worker, pool = exchange.worker, exchange.route.pool
        assert worker is not None
        assert pool is not None
        now = self.clock.now
        if head.load:
            load.note(worker, head.load, now)
        if head.status >= 429:
            fault = self._complaint(exchange, head)
            if fault is not None:
                return fault
        elif exchange.request_done:
            seconds = now - exchange.began
            worker.took(seconds, now)
            pool.traffic.answered(seconds, now)
        if exchange.waiting:
            self.waiting.remove(exchange)
        if exchange.rival is not None:
            self._won(exchange)
        return None

    def succeeded(self, exchange: Exchange) -> None:
        """The worker's answer is complete and forwarded."""
        worker = self._release(exchange)
        if worker is not None:
            worker.heard(self.clock.now)
            if exchange.status < 500:
                worker.succeeded(self.clock.now)
        exchange.fault = None  # of an earlier attempt
        if exchange.record is not None:
            exchange.record.finish()
        exchange.client.finish(exchange)

    def failed(self, exchange: Exchange, fault: Fault, stage: Stage, reused: bool = False) -> None:
        """An attempt ended without a whole answer: again elsewhere, again here, or not again."""
        worker = self._release(exchange)
        self.counters.event("attempt_" + fault.name)
        raced = reused and stage is Stage.SENT
        if worker is not None and not raced:
            self.blame(worker, exchange.route.pool, fault)
        if exchange.rival is not None:
            self._left_to_rival(exchange)
            return
        exchange.fault = fault
        if exchange.responding:
            exchange.client.break_off(exchange, fault)
            return
        verdict = _judged(exchange, fault, stage, reused)
        if verdict is Verdict.FRESH_CONNECTION and worker is not None and worker.available(self.clock.now):
            self._again(exchange, worker)
        elif verdict is Verdict.FRESH_CONNECTION and worker is not None:  # others have seen it fail since
            exchange.raced = True
            exchange.rewind()
            self._retry(exchange)
        elif verdict is Verdict.ANOTHER_WORKER and worker is not None:
            exchange.failovers += 1
            exchange.tried = [*(exchange.tried or ()), worker]
            if stage is not Stage.NOTHING_SENT:
                exchange.rewind()
            if exchange.failovers == 1:
                self._retry(exchange)  # at once: the next worker has not failed
            else:
                self.later(backoff(exchange.failovers), partial(self._retry, exchange))
        else:
            exchange.client.answer(exchange, fault)

    def cancel(self, exchange: Exchange) -> None:
        """The client left, or is refused: the worker need not go on, and it is not the worker's failure."""
        rival = exchange.rival
        if rival is not None:
            exchange.rival = rival.rival = None
            self._drop(rival)
        upstream = exchange.upstream
        if exchange.queued_until:
            self.watch.leave_queue(exchange)
        self._release(exchange)
        if upstream is not None:
            upstream.cancel()

    def blame(self, worker: Worker, pool: Pool | None, fault: Fault) -> None:
        """It is the worker's failure: remember, and have it looked at."""
        now = self.clock.now
        workers = pool.workers if pool is not None else [worker]
        worker.took(max(worker.latency, pool.traffic.worst if pool is not None else 0.0), now)
        if health.failed(worker, workers, now, unreached=fault in _UNREACHED):
            self.counters.event("ejection")
        self._report(worker.id)

    def give_up(self, exchange: Exchange, fault: Fault) -> None:
        """No attempt is under way and none follows: say what failed, or else `fault`."""
        self._release(exchange)
        exchange.client.answer(exchange, exchange.fault or fault)

    def hedge(self, exchange: Exchange, worker: Worker) -> None:
        """Ask another worker too; the first answer counts."""
        twin = exchange.twin()
        twin.rival, exchange.rival = exchange, twin
        twin.tried = [*(exchange.tried or ()), exchange.worker]  # type: ignore[list-item]  # it has one
        self.counters.event("hedge")
        self.send(twin, exchange.route.pool, worker)  # type: ignore[arg-type]  # it was picked from it

    # Off the usual way.

    def _found_key(self, exchange: Exchange, pool: Pool) -> bool:
        """Read what the request has in common with others; False while that is not all there."""
        head = exchange.head
        exchange.held = None
        if pool.reads_body:
            if exchange.bytes_in < PEEK_BYTES and not exchange.request_done and not head.expect_continue:
                exchange.held = self
                return False
            if exchange.bytes_in == 0:
                return True
        exchange.key = pool.reader(head.fields, b"".join(exchange.unsent or ())[:PEEK_BYTES])  # type: ignore[misc]
        return True

    def _unplaced(self, exchange: Exchange, pool: Pool) -> None:
        """No worker can be picked now: wait for one that is only busy, where there is room."""
        if not pool.traffic.queue and not worth_waiting(pool.workers, self.clock.now, exchange.tried):
            self._report("")
            self.give_up(exchange, NO_WORKER)
        elif not self.watch.enqueue(exchange, pool):
            self.counters.event("queue_full")
            self.give_up(exchange, BUSY)

    def _complaint(self, exchange: Exchange, head: ResponseHead) -> Fault | None:
        """An answer that says no: fast as it may be, it makes nobody a fast worker."""
        worker, pool, now = exchange.worker, exchange.route.pool, self.clock.now
        if worker is None or pool is None:
            return None
        fault = fault_of(head.status, head.fields)
        if fault is None and (head.status == 429 or head.status >= 500):
            worker.took(max(worker.latency, pool.traffic.worst), now)
            if head.status >= 500 and health.answered_badly(worker, pool.workers, now):
                self.counters.event("ejection")
                self._report(worker.id)
        return fault

    def _retry(self, exchange: Exchange) -> None:
        """Start again when the budget allows; a request that waits long for that fails as it has failed."""
        if exchange.finished:
            return
        now = self.clock.tick()
        traffic = exchange.route.pool.traffic  # type: ignore[union-attr]  # it had a worker
        if not traffic.may_retry() and exchange.patience > 0 and now < exchange.answer_by:
            exchange.patience -= 1
            self.later(backoff(8), partial(self._retry, exchange))
        elif not traffic.may_retry() or now >= exchange.answer_by:
            self.give_up(exchange, NO_WORKER)
        else:
            traffic.retrying += 1
            exchange.retrying = True
            self.counters.event("retry")
            self.start(exchange)

    def _won(self, exchange: Exchange) -> None:
        """The first of two to answer: the other is not needed any more."""
        rival = exchange.rival
        assert rival is not None
        exchange.rival = rival.rival = None
        if rival.worker is not None:
            rival.worker.took(max(rival.worker.latency, self.clock.now - rival.began), self.clock.now)
        exchange.client.follow(exchange)
        self._drop(rival)

    def _left_to_rival(self, exchange: Exchange) -> None:
        """One of two attempts has failed: the other one is the request now."""
        rival = exchange.rival
        assert rival is not None
        exchange.rival = rival.rival = None
        exchange.finished = True
        rival.client.follow(rival)

    def _drop(self, exchange: Exchange) -> None:
        """Nobody waits for this attempt."""
        exchange.finished = True
        self.cancel(exchange)

    def _again(self, exchange: Exchange, worker: Worker) -> None:
        """Once more to the same worker, on a connection of its own (RFC 9112 section 9.5)."""
        exchange.raced = True
        exchange.rewind()
        exchange.worker = worker
        exchange.began = self.clock.now
        worker.in_flight += 1
        exchange.route.pool.traffic.in_flight += 1  # type: ignore[union-attr]  # it had a worker
        self.waiting.add(exchange)
        self._dialer.dial(worker, exchange, self)

    def _release(self, exchange: Exchange) -> Worker | None:
        worker, pool = exchange.worker, exchange.route.pool
        exchange.upstream = None
        exchange.attempt += 1  # what is still heard of this one is late
        if exchange.retrying:
            exchange.retrying = False
            pool.traffic.retrying -= 1  # type: ignore[union-attr]  # it had a worker
        if worker is None or pool is None:
            return None
        exchange.worker = None
        worker.in_flight -= 1
        if exchange.waiting:
            self.waiting.remove(exchange)
        traffic = pool.traffic
        traffic.in_flight -= 1
        if traffic.queue:
            self.watch.admit_soon(traffic)
        return worker


def _judged(exchange: Exchange, fault: Fault, stage: Stage, reused: bool) -> Verdict:
    if fault is TUNNEL_DOWN:
        stage = Stage.UNREACHED
    elif fault is TUNNEL_FAILED:
        stage = Stage.SENT
    return judge(
        stage,
        reused=reused,
        idempotent=exchange.idempotent,
        replayable=exchange.replayable,
        raced=exchange.raced,
        timed_out=fault in (RESPONSE_TIMEOUT, STALLED),
        failovers=exchange.failovers,
    )
