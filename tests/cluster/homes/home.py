"""A coordinator that says yes, or sends us elsewhere."""

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer


class Home:
    """`move_to`: it leaves. `full`: it takes nobody. `told`: the last registration."""

    def __init__(self) -> None:
        self.registrations = self.heartbeats = 0
        self.workers = 7
        self.move_to: str | None = None
        self.full = self.draining = False
        self.told: dict[str, Any] = {}
        self.connections: set[asyncio.Transport] = set()
        app = web.Application()
        app.router.add_post("/api/worker/register", self._register)
        app.router.add_post("/api/worker/heartbeat", self._heartbeat)
        app.router.add_get("/v1/ping", self._ping)
        self.server = TestServer(app)

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    def end_connections(self) -> None:
        for transport in self.connections:
            transport.close()
        self.connections.clear()

    async def _register(self, request: web.Request) -> web.Response:
        if self.full:
            return web.json_response({"detail": "the coordinator is leaving"}, status=503)
        self.registrations += 1
        self.told = await request.json()
        names = [report["name"] for report in self.told["services"] or ()]
        return web.json_response(
            {
                "status": "registered",
                "worker_id": "w1",
                "worker_type": "cpu",
                "tier": 2,
                "assigned_services": names,
                "heartbeat_interval": 7.0,
            }
        )

    async def _heartbeat(self, request: web.Request) -> web.Response:
        self.heartbeats += 1
        assert isinstance(request.transport, asyncio.Transport)
        self.connections.add(request.transport)
        moving = {} if self.move_to is None else {"move_to": self.move_to}
        return web.json_response({"status": "ok", **moving})

    async def _ping(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"workers": self.workers, "accept_rate": 500.0, "load": 0.1, "draining": self.draining}
        )
