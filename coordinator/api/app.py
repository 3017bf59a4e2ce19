"""The aiohttp application: routes, middlewares, and the task that forgets silent workers."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from coordinator.api import admin, dialback, export, feed, health, legacy, openapi, operators, probes, workers
from coordinator.api.bodies import MAX_BODY
from coordinator.api.middleware import authorize_writes, problems, request_id
from coordinator.api.state import STATE, State
from coordinator.federation import routes as federation

log = logging.getLogger(__name__)

SWEEP_INTERVAL: Final = 10.0


def build_app(state: State) -> web.Application:
    app = web.Application(
        middlewares=[request_id, problems, authorize_writes],
        client_max_size=MAX_BODY,
    )
    app[STATE] = state
    for module in (federation, workers, dialback, admin, feed, operators, export, legacy, health, probes, openapi):
        app.add_routes(module.routes)
    app[openapi.DOCUMENT] = openapi.document(app)
    app.cleanup_ctx.append(_sweeping)
    return app


async def _sweeping(app: web.Application) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_sweep_forever(app[STATE]))
        yield
        task.cancel()


async def _sweep_forever(state: State) -> None:
    while True:
        await asyncio.sleep(SWEEP_INTERVAL)
        state.registry.advance(state.clock())
        state.gate.sessions.keep_only(state.registry.workers)
