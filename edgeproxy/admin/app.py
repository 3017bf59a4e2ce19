"""`/healthz`, `/readyz`, `/metrics`, `/table`, `/cache/purge`: in aiohttp, since nothing here is in a hurry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST


def admin_app(
    *,
    not_ready_because: Callable[[], str],
    metrics: Callable[[], bytes],
    table: Callable[[], Mapping[str, Any]],
    purge: Callable[[], None],
) -> web.Application:
    """`not_ready_because` gives "" when traffic may come; `table` the worker list as it stands; `purge` forgets every
    stored answer."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_: web.Request) -> web.Response:
        reason = not_ready_because()
        if reason:
            return web.json_response({"status": "unavailable", "reason": reason}, status=503)
        return web.json_response({"status": "ready"})

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def show_table(_: web.Request) -> web.Response:
        return web.json_response(table())

    async def purge_cache(_: web.Request) -> web.Response:
        purge()
        return web.Response(status=204)

    app = web.Application()
    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
            web.get("/metrics", show_metrics),
            web.get("/table", show_table),
            web.post("/cache/purge", purge_cache),
        ]
    )
    return app
