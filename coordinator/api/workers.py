"""What agents and edges use: register, heartbeat, unregister, the list."""

import hashlib

import orjson
from aiohttp import web

from coordinator.api import views
from coordinator.api.answers import fail, json_answer
from coordinator.api.bodies import read_message, refuse_foreign_loopback, service_urls
from coordinator.api.state import STATE
from coordinator.catalog import CATALOG
from coordinator.registry import RegistryFull, StaleIncarnation
from edgeproxy.cluster.messages import Heartbeat, Registration

routes = web.RouteTableDef()


@routes.post("/api/worker/register")
async def register(request: web.Request) -> web.Response:
    state = request.app[STATE]
    registration = await read_message(request, Registration)
    urls = service_urls(registration.services) + service_urls(registration.containers)
    refuse_foreign_loopback(request, registration.tunnel_url, *urls)
    try:
        worker = state.registry.register(registration, state.clock())
    except RegistryFull:
        fail(503, "the registry is full", {"Retry-After": "60"})
    state.counts["registrations"] += 1
    return json_answer(views.registered(worker, state.registry.interval))


@routes.post("/api/worker/heartbeat")
async def heartbeat(request: web.Request) -> web.Response:
    state = request.app[STATE]
    beat = await read_message(request, Heartbeat)
    refuse_foreign_loopback(request, *service_urls(beat.services))
    at = state.clock()
    try:
        worker = state.registry.heartbeat(beat, at)
    except StaleIncarnation:
        fail(409, "this worker has registered again since, or another one with its worker_id")
    if worker is None:
        fail(404, "Worker not found")
    state.counts["heartbeats"] += 1
    return json_answer(views.heard(worker, state.registry.interval))


@routes.delete("/api/worker/unregister/{worker_id}")
async def unregister(request: web.Request) -> web.Response:
    state = request.app[STATE]
    if not state.registry.unregister(request.match_info["worker_id"], state.clock()):
        fail(404, "Worker not found")
    state.counts["unregistrations"] += 1
    return json_answer({"status": "ok", "message": "Worker unregistered"})


@routes.get("/api/coordinator/workers")
async def workers(request: web.Request) -> web.Response:
    """The live workers. The ETag is weak: it changes with what is routed by, not with each heartbeat."""
    state = request.app[STATE]
    at = state.clock()
    records = [views.record(worker, at) for worker in state.registry.live(at)]
    settled = state.settled(at)
    etag = _etag(records, settled)
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if etag in _named_etags(request):
        return web.Response(status=304, headers=headers)
    body = {
        "workers": records,
        "count": len(records),
        "timestamp": at.wall.isoformat(),
        "services": list(CATALOG),
        "settled": settled,
    }
    return json_answer(body, headers=headers)


_ROUTED_BY = ("worker_id", "tunnel_url", "vpn_ip", "region", "status", "assigned_services", "services")


def _etag(records: list[views.JsonObject], settled: bool) -> str:
    rows = [[record[name] for name in _ROUTED_BY] for record in records]
    return f'W/"{hashlib.sha256(orjson.dumps([rows, settled])).hexdigest()[:20]}"'


def _named_etags(request: web.Request) -> set[str]:
    return {f'W/"{tag.value}"' for tag in request.if_none_match or () if tag.value != "*"}
