"""What an operator does with one worker: drain, cordon, resume, revoke. And the worker alone, read."""

from collections.abc import Callable
from typing import Final

from aiohttp import web

from coordinator.api import guard, views
from coordinator.api.answers import fail, json_answer
from coordinator.api.bodies import call_of
from coordinator.api.describe import described
from coordinator.api.middleware import guards_itself
from coordinator.api.state import STATE, State
from coordinator.identity.revoked import RevokedFull
from coordinator.registry import Now, Registry

routes = web.RouteTableDef()

ORDERS: Final[dict[str, Callable[[Registry, str, Now], bool]]] = {
    "drain": Registry.drain,
    "cordon": Registry.cordon,
    "resume": Registry.resume,
}


@routes.get("/v1/workers/{worker_id}")
@described("One worker", {"worker_id": "string", "status": "string"})
async def worker(request: web.Request) -> web.Response:
    return json_answer(_record(request.app[STATE], request.match_info["worker_id"]))


@routes.post("/v1/workers/{worker_id}/drain")
@described("Move its services to others, give it no new ones", {"worker_id": "string"}, who="operator")
@guards_itself
async def drain(request: web.Request) -> web.Response:
    return _ordered(request, "drain")


@routes.post("/v1/workers/{worker_id}/cordon")
@described("Leave it what it has, give it nothing new", {"worker_id": "string"}, who="operator")
@guards_itself
async def cordon(request: web.Request) -> web.Response:
    return _ordered(request, "cordon")


@routes.post("/v1/workers/{worker_id}/resume")
@described("End of a cordon or drain", {"worker_id": "string"}, who="operator")
@guards_itself
async def resume(request: web.Request) -> web.Response:
    return _ordered(request, "resume")


@routes.post("/v1/workers/{worker_id}/revoke")
@described("Out, and its key is never accepted again", {"revoked": "boolean"}, who="operator")
@guards_itself
async def revoke(request: web.Request) -> web.Response:
    """`revoked` false: it has no key; it is out, but may come back."""
    state, worker_id = request.app[STATE], request.match_info["worker_id"]
    guard.check_operator(state, call_of(request))
    worker = state.registry.workers.get(worker_id)
    if worker is None:
        fail(404, "Worker not found")
    try:
        revoked = state.gate.revoke(worker_id, worker.credential)
    except RevokedFull:
        fail(507, "no more keys can be revoked")
    except OSError as error:
        fail(507, f"the revocation cannot be kept: {error.strerror}")
    state.registry.unregister(worker_id, state.clock())
    return json_answer({"revoked": revoked, "worker_id": worker_id})


def _ordered(request: web.Request, order: str) -> web.Response:
    state, worker_id = request.app[STATE], request.match_info["worker_id"]
    guard.check_operator(state, call_of(request))
    if not ORDERS[order](state.registry, worker_id, state.clock()):
        fail(404, "Worker not found")
    return json_answer(_record(state, worker_id))


def _record(state: State, worker_id: str) -> views.JsonObject:
    at = state.clock()
    state.registry.advance(at)
    worker = state.registry.workers.get(worker_id)
    if worker is None:
        fail(404, "Worker not found")
    return views.admin_record(worker, at)
