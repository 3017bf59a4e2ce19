"""The retry rule, row by row (RFC 9110 section 9.2.2, RFC 9112 section 9.5)."""

from __future__ import annotations

from itertools import product

import pytest

from edgeproxy.policy.retry import FIRST_BACKOFF, LONGEST_BACKOFF, MAX_FAILOVERS, Stage, Verdict, backoff, judge

USUAL = {
    "reused": False,
    "idempotent": True,
    "replayable": True,
    "raced": False,
    "timed_out": False,
    "failovers": 0,
}


def verdict(stage: Stage, **changed: object) -> Verdict:
    return judge(stage, **{**USUAL, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize("idempotent", [False, True])
def test_s0_any_method_goes_to_another_worker(idempotent: bool) -> None:
    assert verdict(Stage.NOTHING_SENT, idempotent=idempotent) is Verdict.ANOTHER_WORKER
    assert verdict(Stage.NOTHING_SENT, idempotent=idempotent, replayable=False) is Verdict.ANOTHER_WORKER
    assert verdict(Stage.NOTHING_SENT, idempotent=idempotent, failovers=MAX_FAILOVERS) is Verdict.GIVE_UP


def test_s1_an_idempotent_request_gets_one_fresh_connection() -> None:
    assert verdict(Stage.SENT, reused=True) is Verdict.FRESH_CONNECTION
    assert verdict(Stage.SENT, reused=True, failovers=MAX_FAILOVERS) is Verdict.FRESH_CONNECTION
    assert verdict(Stage.SENT, reused=True, raced=True) is Verdict.ANOTHER_WORKER


def test_s2_an_idempotent_request_goes_to_another_worker() -> None:
    assert verdict(Stage.SENT) is Verdict.ANOTHER_WORKER
    assert verdict(Stage.SENT, failovers=MAX_FAILOVERS) is Verdict.GIVE_UP


@pytest.mark.parametrize("stage", list(Stage))
def test_whatever_was_sent_of_another_request_is_not_sent_again(stage: Stage) -> None:
    """A proxy MUST NOT repeat it by itself, and cannot repeat what it no longer has."""
    if stage in (Stage.NOTHING_SENT, Stage.UNREACHED):
        return
    for reused, raced in product((False, True), repeat=2):
        assert verdict(stage, idempotent=False, reused=reused, raced=raced) is Verdict.GIVE_UP
        assert verdict(stage, replayable=False, reused=reused, raced=raced) is Verdict.GIVE_UP
        assert verdict(stage, timed_out=True, reused=reused, raced=raced) is Verdict.GIVE_UP


def test_what_never_came_to_the_worker_is_sent_to_another_where_all_of_it_is_there() -> None:
    """RFC 9110 section 9.2.2: where one can detect that the original request was never applied."""
    assert verdict(Stage.UNREACHED, idempotent=False) is Verdict.ANOTHER_WORKER
    assert verdict(Stage.UNREACHED, idempotent=False, replayable=False) is Verdict.GIVE_UP
    assert verdict(Stage.UNREACHED, failovers=MAX_FAILOVERS) is Verdict.GIVE_UP


def test_backoff_has_full_jitter_and_a_bound() -> None:
    for attempt in (1, 2, 3, 4, 5, 20, 10_000):
        longest = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** min(attempt - 1, 20))
        waits = [backoff(attempt) for _ in range(200)]
        assert 0 <= min(waits) < 0.2 * longest
        assert 0.8 * longest < max(waits) <= longest


@pytest.mark.parametrize("stage", [Stage.ANSWERING, Stage.FORWARDED])
def test_s3_s4_an_answer_that_has_begun_is_never_asked_for_again(stage: Stage) -> None:
    for reused, raced in product((False, True), repeat=2):
        assert verdict(stage, reused=reused, raced=raced) is Verdict.GIVE_UP


def test_nonsense_is_asked_of_one_other_worker_where_that_is_safe() -> None:
    assert verdict(Stage.NONSENSE) is Verdict.ANOTHER_WORKER
    assert verdict(Stage.NONSENSE, failovers=1) is Verdict.GIVE_UP
    assert verdict(Stage.NONSENSE, idempotent=False) is Verdict.GIVE_UP
    assert verdict(Stage.NONSENSE, replayable=False) is Verdict.GIVE_UP
    assert verdict(Stage.NONSENSE, timed_out=True) is Verdict.GIVE_UP


def test_every_chain_of_attempts_ends() -> None:
    for stage, reused in product((Stage.NOTHING_SENT, Stage.SENT), (False, True)):
        raced, failovers, attempts = False, 0, 1
        while (answer := verdict(stage, reused=reused, raced=raced, failovers=failovers)) is not Verdict.GIVE_UP:
            raced = raced or answer is Verdict.FRESH_CONNECTION
            failovers += answer is Verdict.ANOTHER_WORKER
            attempts += 1
            assert attempts <= 2 + MAX_FAILOVERS
