"""What an edge tells its coordinator of the workers."""

from __future__ import annotations

from edgeproxy.cluster.client import CoordinatorError
from edgeproxy.cluster.messages import EdgeReport, EdgeReportAnswer
from edgeproxy.discovery.sightings import INTERVAL, LONGEST, EdgeHeartbeat, Sightings
from edgeproxy.discovery.snapshot import Endpoint

A = Endpoint.of("llm", "http://a:8000")
B = Endpoint.of("llm", "http://b:8000")


def sightings() -> Sightings:
    seen = Sightings()
    seen.endpoints = {A.id: A, B.id: B}
    return seen


def figures(report: EdgeReport) -> list[tuple[str, int, int, bool]]:
    return [(each.url, each.requests, each.failures, each.left_out) for each in report.workers]


def test_the_processes_are_summed_and_what_was_told_is_told_once() -> None:
    seen = sightings()
    seen.update(1, [[A.id, 10, 1, 0.2, False]])
    seen.update(2, [[A.id, 5, 0, 0.4, False], [B.id, 3, 3, 0.0, True]])
    report, told = seen.report()
    assert figures(report) == [(A.url, 15, 1, False), (B.url, 3, 3, True)]
    assert abs(report.workers[0].latency - 0.3) < 1e-9
    told()
    seen.update(1, [[A.id, 12, 1, 0.2, False]])
    assert figures(seen.report()[0]) == [(A.url, 2, 0, False), (B.url, 0, 0, True)]


def test_what_did_not_arrive_is_told_again() -> None:
    seen = sightings()
    seen.update(1, [[A.id, 10, 1, 0.2, False]])
    seen.report()
    assert figures(seen.report()[0]) == [(A.url, 10, 1, False)]


def test_a_process_that_ended_takes_nothing_back() -> None:
    seen = sightings()
    seen.update(1, [[A.id, 10, 1, 0.2, False]])
    seen.report()[1]()
    seen.ended(1)
    seen.update(2, [[A.id, 4, 0, 0.2, False]])
    assert figures(seen.report()[0]) == [(A.url, 4, 0, False)]


def test_of_workers_that_left_nothing_is_told() -> None:
    seen = sightings()
    seen.update(1, [["llm@http://gone:1", 10, 1, 0.2, False]])
    assert figures(seen.report()[0]) == []


class Fake:
    def __init__(self) -> None:
        self.failure: CoordinatorError | None = None
        self.reports: list[EdgeReport] = []

    async def report(self, report: EdgeReport) -> EdgeReportAnswer:
        self.reports.append(report)
        if self.failure:
            raise self.failure
        return EdgeReportAnswer(heartbeat_interval=7.0)


async def test_it_goes_by_the_coordinator_s_interval_and_bothers_an_old_one_ever_less() -> None:
    seen, fake = sightings(), Fake()
    seen.update(1, [[A.id, 10, 1, 0.2, False]])
    heartbeat = EdgeHeartbeat(fake, seen.report)
    fake.failure = CoordinatorError(None, "away")
    await heartbeat.beat()
    assert heartbeat._interval == INTERVAL
    fake.failure = None
    await heartbeat.beat()
    assert heartbeat._interval == 7.0
    assert [figures(report) for report in fake.reports] == [[(A.url, 10, 1, False)]] * 2
    fake.failure = CoordinatorError(404, "what?")
    for _ in range(10):
        await heartbeat.beat()
    assert heartbeat._interval == LONGEST
