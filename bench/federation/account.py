"""A key-value store as Cloudflare's REST calls show it, in memory: it counts what is written and read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

HOST: Final = "127.0.0.1"
MOST: Final = 25 * 1024 * 1024  # bytes of a value, as there


@dataclass
class Account:
    url: str = ""
    writes: int = 0
    reads: int = 0
    values: dict[str, bytes] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        return {
            "CLOUDFLARE_API_URL": self.url,
            "CLOUDFLARE_ACCOUNT_ID": "bench",
            "CLOUDFLARE_KV_NAMESPACE_ID": "bench",
            "CLOUDFLARE_API_TOKEN": "bench",
        }

    async def put(self, request: web.Request) -> web.Response:
        self.writes += 1
        self.values[request.path] = await request.read()
        return web.json_response({"success": True, "errors": [], "messages": [], "result": None})

    async def get(self, request: web.Request) -> web.Response:
        self.reads += 1
        if (value := self.values.get(request.path)) is None:
            return web.json_response({"success": False, "errors": [{"code": 10009, "message": "none"}]}, status=404)
        return web.Response(body=value)


@asynccontextmanager
async def account() -> AsyncIterator[Account]:
    made = Account()
    app = web.Application(client_max_size=MOST)
    app.router.add_put("/{path:.*}", made.put)
    app.router.add_get("/{path:.*}", made.get)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0).start()
        made.url = f"http://{HOST}:{runner.addresses[0][1]}"
        yield made
    finally:
        await runner.cleanup()
