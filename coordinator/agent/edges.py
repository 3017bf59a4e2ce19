"""The edge proxies to dial in at: the owner's, or those that the coordinator lists."""

import asyncio
from typing import Final

import structlog

from edgeproxy.cluster.client import CoordinatorClient, CoordinatorError
from edgeproxy.cluster.messages import WorkerRecord

EVERY: Final = 5.0  # seconds between questions
MOST: Final = 64  # edges that are dialled
SERVICE: Final = "edge-proxy"

log = structlog.get_logger(__name__)


class Edges:
    """`urls` are the ones known; `run()` asks for more until it is cancelled."""

    def __init__(self, client: CoordinatorClient, given: tuple[str, ...]) -> None:
        self.urls = list(given)
        self._given = bool(given)
        self._client = client
        self._etag: str | None = None

    async def refresh(self) -> None:
        """What cannot be asked stays as it was."""
        if self._given:
            return
        try:
            listed = await self._client.worker_list(self._etag)
        except CoordinatorError:
            return
        if listed is not None:
            self._etag = listed.etag
            self._take([url for worker in listed.workers if (url := _edge_of(worker))])

    async def run(self) -> None:
        while True:
            await self.refresh()
            await asyncio.sleep(EVERY)

    def _take(self, urls: list[str]) -> None:
        if urls[:MOST] != self.urls:
            self.urls = urls[:MOST]
            log.info("edges", urls=self.urls)


def _edge_of(worker: WorkerRecord) -> str | None:
    """Where that worker is an edge: one that can be dialled itself."""
    if worker.status == "offline":
        return None
    if worker.services is None:
        return worker.tunnel_url if SERVICE in worker.assigned_services else None
    found = (r.service_url for r in worker.services if r.name == SERVICE and r.status == "healthy")
    return next((url for url in found if not url.startswith("reverse:")), None)
