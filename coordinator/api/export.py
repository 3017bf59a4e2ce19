"""Who we are, and the list with our signature under it: for another site, an archive, a mirror."""

import orjson
from aiohttp import web

from coordinator.api import views
from coordinator.api.answers import json_answer
from coordinator.api.describe import described
from coordinator.api.state import STATE, State
from edgeproxy import __version__
from edgeproxy.cluster.export import EXPORT, Export
from edgeproxy.cluster.proof import encode

routes = web.RouteTableDef()


@routes.get("/v1/coordinator")
@described("This coordinator", {"coordinator": "string", "version": "string", "mark": "string", "settled": "boolean"})
async def coordinator(request: web.Request) -> web.Response:
    """`coordinator` is its public key: what an agent pins (COORDINATOR_KEY) and what verifies an export."""
    state = request.app[STATE]
    at = state.clock()
    return json_answer(
        {
            "coordinator": state.gate.keys.name,
            "version": __version__,
            "mark": state.registry.events.mark,
            "settled": state.settled(at),
            "heartbeat_interval": state.registry.interval,
            "draining": state.draining,
        }
    )


@routes.get("/v1/export")
@described("The list of workers, signed", Export)
async def export(request: web.Request) -> web.Response:
    return json_answer(signed(request.app[STATE]).model_dump())


def signed(state: State) -> Export:
    """The text is signed as it is, so that nobody has to agree on how JSON is written."""
    at = state.clock()
    body = {
        "coordinator": state.gate.keys.name,
        "at": at.wall.isoformat(),
        "mark": state.registry.events.mark,
        "settled": state.settled(at),
        "services": list(state.registry.catalog),
        "workers": [views.record(worker, at) for worker in state.registry.live(at)],
    }
    text = orjson.dumps(body)
    return Export(
        coordinator=state.gate.keys.name, signature=encode(state.gate.keys.sign(EXPORT + text)), signed=text.decode()
    )
