"""The log of changes: in order, resumable, bounded."""

from datetime import UTC, datetime

import pytest

from coordinator.events import EventLog

AT = datetime(2026, 1, 2, tzinfo=UTC)


def test_a_reader_resumes_where_it_was() -> None:
    log = EventLog(epoch="e")
    start = log.mark
    log.add("registered", AT, "a", "starting")
    middle = log.mark
    log.add("status", AT, "a", "healthy", "beats")
    assert [(e.revision, e.kind) for e in log.since(start) or ()] == [(1, "registered"), (2, "status")]
    assert [e.detail for e in log.since(middle) or ()] == ["beats"]
    assert log.since(log.mark) == []


@pytest.mark.parametrize("mark", ["", "e", "e-", "e-4", "e--1", "e-1_0", "e-²", "other-1", "e-" + "9" * 30])
def test_a_mark_of_another_life_or_of_nobody_is_not_known(mark: str) -> None:
    log = EventLog(epoch="e")
    for _ in range(3):
        log.add("changed", AT, "a")
    assert log.since(mark) is None


def test_the_log_says_when_it_does_not_reach_back() -> None:
    log = EventLog(epoch="e", limit=3)
    for _ in range(5):
        log.add("changed", AT, "a")
    assert log.since("e-1") is None
    assert [e.revision for e in log.since("e-2") or ()] == [3, 4, 5]


def test_load_moves_the_log_and_not_what_edges_route_by() -> None:
    log = EventLog(epoch="e")
    log.add("status", AT, "a", "healthy")
    log.add("load", AT, "a", "healthy")
    assert (log.mark, log.routing) == ("e-2", "e-1")


def test_listeners_are_woken_until_they_cancel() -> None:
    log, woken = EventLog(), []
    cancel = log.listen(lambda: woken.append(log.revision))
    log.add("fleet", AT)
    cancel()
    log.add("fleet", AT)
    assert woken == [1]


def test_every_start_is_a_new_epoch() -> None:
    assert EventLog().epoch != EventLog().epoch
