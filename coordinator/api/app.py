"""The aiohttp application: routes, middlewares, and the task that forgets silent workers."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from coordinator.api import (
    admin,
    cors,
    dialback,
    export,
    feed,
    health,
    keyvalues,
    legacy,
    login,
    openapi,
    operators,
    probes,
    users,
    workers,
)
from coordinator.api.bodies import MAX_BODY
from coordinator.api.middleware import authorize_writes, problems, request_id
from coordinator.api.state import STATE, State
from coordinator.federation import routes as federation

log = logging.getLogger(__name__)

SWEEP_INTERVAL: Final = 10.0
MODULES: Final = (
    *(federation, workers, dialback, admin, feed, operators, export),
    *(legacy, login, keyvalues, users, health, probes, openapi),
)


def build_app(state: State) -> web.Application:
    app = web.Application(
        middlewares=[problems, cors.preflights, authorize_writes],
        client_max_size=MAX_BODY,
    )
    app[STATE] = state
    app.on_response_prepare.extend([request_id, cors.let_read])
    for module in MODULES:
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
