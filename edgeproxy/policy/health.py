"""Passive health: what a failed request says about the worker, and when it is left out for it.

A refused or silent address is left out at once; other failures count: `IN_A_ROW` of them, or most of what it was asked
lately while others do well. What all workers do alike is the requests' doing, and ejects none. Never more than half of
a pool is ejected, and never the last one.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgeproxy.policy.worker import Worker

HOLD_UNREACHED = 0.25
"""Seconds for which an address that could not be connected to is not tried again, whatever else is true."""
HOLD_FAILED = 1.0
"""Seconds for which one that broke a request is left out while there are others, doubled by each more in a row: an
active check is faster."""
IN_A_ROW = 5
ENOUGH = 20.0
"""Requests that a rate is judged by."""
MOSTLY = 0.85
OTHERS_DO_WELL = 0.5
FIRST_EJECTION = 5.0
"""Long enough for active checks to find out, short enough that a process which restarted is not missed."""
LONGEST_EJECTION = 300.0


def failed(worker: Worker, pool: Sequence[Worker], now: float, *, unreached: bool) -> bool:
    """The worker's own failure, never a client's; whether it is ejected for it. `unreached`: it is not there, or
    says nothing at all, so that there is no need to see that five times."""
    worker.failures += 1
    worker.failed += 1
    worker.count(False, now)
    if unreached:
        worker.held_until = now + HOLD_UNREACHED
    pause = HOLD_UNREACHED if unreached else HOLD_FAILED * 2.0 ** min(worker.failures - 1, IN_A_ROW)
    worker.left_out_until = max(worker.left_out_until, now + pause)
    if unreached or worker.failures >= IN_A_ROW or _mostly_fails(worker, pool, now):
        return _eject(worker, pool, now)
    return False


def answered_badly(worker: Worker, pool: Sequence[Worker], now: float) -> bool:
    """A whole answer that says 5xx. One alone may be the request's doing; whether it is ejected for it."""
    worker.count(False, now)
    return _mostly_fails(worker, pool, now) and _eject(worker, pool, now)


def _mostly_fails(worker: Worker, pool: Sequence[Worker], now: float) -> bool:
    total = worker.recent_good + worker.recent_bad
    if total < ENOUGH or worker.recent_bad < MOSTLY * total:
        return False
    others = [each for each in pool if each is not worker]
    bad = sum(each.recent_bad for each in others)
    return bad < OTHERS_DO_WELL * (bad + sum(each.recent_good for each in others))


def _eject(worker: Worker, pool: Sequence[Worker], now: float) -> bool:
    if now < worker.ejected_until:
        return False  # a request that was under way already
    out = sum(1 for each in pool if each is not worker and (each.probed_down or now < each.ejected_until))
    if out + 1 > len(pool) // 2:
        return False
    worker.ejections = worker.ejections + 1 if now - worker.ejected_until < LONGEST_EJECTION else 1
    pause = min(LONGEST_EJECTION, FIRST_EJECTION * worker.ejections)
    worker.ejected_until = worker.recovered_at = now + pause
    worker.left_out_until = max(worker.left_out_until, worker.ejected_until)
    return True
