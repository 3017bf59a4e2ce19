"""What the processes of a host saw of the workers, summed, and told to the coordinator with the edge's heartbeats.

A process sends running totals (`Routes.seen`); what is reported is what came since the last report that arrived.
"""

import asyncio
import logging
import os
import random
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any, Final, Protocol

from edgeproxy.cluster.client import CoordinatorError
from edgeproxy.cluster.messages import EdgeReport, EdgeReportAnswer, WorkerSeen
from edgeproxy.discovery.snapshot import Endpoint

log = logging.getLogger(__name__)

INTERVAL: Final = 10.0
LONGEST: Final = 300.0
JITTER: Final = 0.1
NOT_THERE: Final = frozenset(
    {400, 401, 403, 404, 405, 422, 501}
)  # a coordinator that takes no such reports, or none from us

Totals = tuple[int, int]


class Sightings:
    """Totals by process and endpoint id. `endpoints` are those of the list in force: of others nothing is told."""

    def __init__(self) -> None:
        self.endpoints: Mapping[str, Endpoint] = {}
        self._edge_id = f"edge-{os.urandom(8).hex()}"
        self._by_process: dict[int, dict[str, Sequence[Any]]] = {}
        self._ended: dict[str, Totals] = {}
        self._told: dict[str, Totals] = {}
        self._since = monotonic()

    def update(self, pid: int, rows: Sequence[Sequence[Any]]) -> None:
        """A process's rows `[id, sent, failed, latency, left out]`, all of them."""
        self._by_process[pid] = {row[0]: row for row in rows}

    def ended(self, pid: int) -> None:
        """What a process had seen stays seen."""
        for identity, row in self._by_process.pop(pid, {}).items():
            sent, failed = self._ended.get(identity, (0, 0))
            self._ended[identity] = (sent + row[1], failed + row[2])

    def report(self) -> tuple[EdgeReport, Callable[[], None]]:
        """What is new, and what to call when it was told."""
        now = monotonic()
        totals = {identity: self._total(identity) for identity in self.endpoints}
        seen = [self._seen(identity, totals[identity]) for identity in self.endpoints]
        report = EdgeReport(
            edge_id=self._edge_id,
            seconds=min(86400.0, now - self._since),
            workers=[each for each in seen if each.requests or each.left_out],
        )

        def told() -> None:
            self._told, self._since = totals, now
            self._ended = {identity: kept for identity, kept in self._ended.items() if identity in totals}

        return report, told

    def _total(self, identity: str) -> Totals:
        sent, failed = self._ended.get(identity, (0, 0))
        for rows in self._by_process.values():
            if row := rows.get(identity):
                sent, failed = sent + row[1], failed + row[2]
        return sent, failed

    def _seen(self, identity: str, total: Totals) -> WorkerSeen:
        endpoint, told = self.endpoints[identity], self._told.get(identity, (0, 0))
        rows = [row for process in self._by_process.values() if (row := process.get(identity))]
        latencies = [row[3] for row in rows if row[3] > 0]
        return WorkerSeen(
            service=endpoint.service,
            url=endpoint.url,
            requests=max(0, total[0] - told[0]),
            failures=max(0, total[1] - told[1]),
            latency=sum(latencies) / len(latencies) if latencies else 0.0,
            left_out=bool(rows) and all(row[4] for row in rows),
        )


class Reports(Protocol):
    """What is needed of a CoordinatorClient."""

    async def report(self, report: EdgeReport) -> EdgeReportAnswer: ...


class EdgeHeartbeat:
    """Tells the coordinator, as often as it asks for; `run()` ends when cancelled."""

    def __init__(self, client: Reports, report: Callable[[], tuple[EdgeReport, Callable[[], None]]]) -> None:
        self._client = client
        self._report = report
        self._interval = INTERVAL

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._interval * random.uniform(1 - JITTER, 1 + JITTER))
            await self.beat()

    async def beat(self) -> None:
        """One report; its failure is the next one's business."""
        report, told = self._report()
        try:
            answer = await self._client.report(report)
        except CoordinatorError as error:
            refused = error.status in NOT_THERE
            self._interval = min(LONGEST, self._interval * 2) if refused else INTERVAL
            log.debug("no report to the coordinator: %s", error)
            return
        told()
        self._interval = max(1.0, answer.heartbeat_interval)
