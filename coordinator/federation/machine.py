"""A lent machine for the demo, the tests and the bench: one small service, and the agents' own client. Many of them
live in one process."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from random import uniform
from time import monotonic
from typing import Final

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgeproxy.cluster.client import CoordinatorError
from edgeproxy.cluster.homes.client import HomesClient
from edgeproxy.cluster.homes.finder import Finder
from edgeproxy.cluster.messages import Heartbeat, Registration, ServiceReport
from edgeproxy.cluster.signer import Signer

SERVICE: Final = "llm-inference"


@dataclass
class Machine:
    """`away` is when its home was first missed, `gaps` how long it then took until it was registered elsewhere."""

    name: str
    seeds: tuple[str, ...]
    roots: tuple[str, ...]
    path: Path
    host: str = "127.0.0.1"
    alive: bool = True
    registrations: int = 0
    away: float | None = None
    gaps: list[float] = field(default_factory=list)
    served: int = 0

    async def run(self) -> None:
        """Until it is cancelled."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, self.host, 0)
        await site.start()
        assert site._server is not None
        port: int = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        try:
            await self._belong(f"http://{self.host}:{port}")
        finally:
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.Response:
        self.served += 1
        return web.Response(text=f"hello from {self.name}\n")

    async def _belong(self, url: str) -> None:
        report = ServiceReport(name=SERVICE, service_url=url, status="healthy")
        finder = Finder(self.name, self.seeds, frozenset(self.roots), self.path, round=5.0)
        async with HomesClient(finder, "federation", Signer(Ed25519PrivateKey.generate())) as client:
            self.client = client
            while True:
                interval = await self._register(client, url, report)
                await self._beat(client, report, interval)

    async def _register(self, client: HomesClient, url: str, report: ServiceReport) -> float:
        wanted = Registration(
            worker_id=self.name,
            tunnel_url=url,
            capabilities={"worker_type": "gpu", "has_gpu": True},
            services=[report],
        )
        while True:
            try:
                answer = await client.register(wanted)
            except CoordinatorError:
                await asyncio.sleep(uniform(0.2, 0.6))
                continue
            self.registrations += 1
            if self.away is not None:
                self.gaps.append(monotonic() - self.away)
                self.away = None
            return answer.heartbeat_interval

    async def _beat(self, client: HomesClient, report: ServiceReport, interval: float) -> None:
        heartbeat = Heartbeat(worker_id=self.name, services=[report])
        called = asyncio.Event()
        client.on_call = called.set
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval * uniform(0.9, 1.0)):
                    await called.wait()
            called.clear()
            asked = monotonic()
            try:
                await client.heartbeat(heartbeat)
            except CoordinatorError as error:
                self.away = self.away or asked
                if error.status == 404:
                    return
