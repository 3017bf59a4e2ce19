"""The retry rule: which failed attempt may be made again, where and when (RFC 9110 section 9.2.2, RFC 9112 section
9.5). How many at once is the budget's business (`policy/traffic.py`)."""

from __future__ import annotations

import random
from enum import Enum

MAX_FAILOVERS = 2
"""Other workers that are asked after the first one failed."""
FIRST_BACKOFF = 0.025
LONGEST_BACKOFF = 0.25
PATIENCE = 12
"""Times that a retry beyond the budget waits for its turn before the failure is told: a second or two."""


class Stage(Enum):
    """How far an attempt had come when it failed."""

    NOTHING_SENT = "nothing_sent"  # no byte handed to the kernel: connect or handshake failed
    UNREACHED = "unreached"  # sent, and an intermediary says that it never came to the worker
    SENT = "sent"  # bytes written, not one byte of an answer seen
    NONSENSE = "nonsense"  # bytes came that are no answer, nothing of them was forwarded
    ANSWERING = "answering"  # the answer had begun, nothing of it was forwarded
    FORWARDED = "forwarded"  # the client has seen a part of it


class Verdict(Enum):
    """What to do about it."""

    ANOTHER_WORKER = "another_worker"
    FRESH_CONNECTION = "fresh_connection"  # the keep-alive race: nobody's fault, and only once
    GIVE_UP = "give_up"


def judge(
    stage: Stage,
    *,
    reused: bool,
    idempotent: bool,
    replayable: bool,
    raced: bool,
    timed_out: bool,
    failovers: int,
) -> Verdict:
    """`replayable`: the whole request is still in memory; `raced`: this exchange has already lost one race."""
    if stage in (Stage.ANSWERING, Stage.FORWARDED):
        return Verdict.GIVE_UP
    if stage is Stage.NONSENSE:
        # Another worker may do better; a request that makes workers answer nonsense must not go round among all.
        again = idempotent and replayable and not timed_out and not failovers
        return Verdict.ANOTHER_WORKER if again else Verdict.GIVE_UP
    if stage is Stage.NOTHING_SENT:
        return _failover(failovers)
    if stage is Stage.UNREACHED:
        return _failover(failovers) if replayable else Verdict.GIVE_UP
    if not idempotent or not replayable or timed_out:
        return Verdict.GIVE_UP
    if reused and not raced:
        return Verdict.FRESH_CONNECTION
    return _failover(failovers)


def _failover(failovers: int) -> Verdict:
    return Verdict.ANOTHER_WORKER if failovers < MAX_FAILOVERS else Verdict.GIVE_UP


def backoff(attempt: int) -> float:
    """Seconds before the `attempt`th time, with full jitter: whatever made many fail at once must not make them come
    again at once."""
    return random.uniform(0, min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(attempt - 1, 10)))
