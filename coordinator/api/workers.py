"""What agents and edges use: register, heartbeat, unregister, the list."""

import hashlib

import orjson
from aiohttp import web

from coordinator.api import agents, views
from coordinator.api.answers import json_answer, web_answer
from coordinator.api.bodies import call_of, read_call
from coordinator.api.describe import described
from coordinator.api.middleware import guards_itself
from coordinator.api.state import STATE
from edgeproxy.cluster.messages import (
    Challenge,
    EdgeReport,
    EdgeReportAnswer,
    Heartbeat,
    HeartbeatAnswer,
    Observations,
    Registration,
    RegistrationAnswer,
)

REPORT_INTERVAL = 5.0
"""Seconds between two reports of an edge: a worker that it leaves out is asked about before its lease ends."""

routes = web.RouteTableDef()


@routes.get("/v1/challenge")
@described("What the next registration is to be signed with", Challenge)
async def challenge(request: web.Request) -> web.Response:
    return web_answer(agents.challenge(request.app[STATE], call_of(request)))


@routes.post("/v1/register")
@routes.post("/api/worker/register")
@described("A worker joins, or joins again", RegistrationAnswer, body=Registration, who="worker")
@guards_itself
async def register(request: web.Request) -> web.Response:
    return web_answer(agents.register(request.app[STATE], await read_call(request)))


@routes.post("/v1/heartbeat")
@routes.post("/api/worker/heartbeat")
@described("A worker lives; the answer says what it shall run", HeartbeatAnswer, body=Heartbeat, who="worker")
@guards_itself
async def heartbeat(request: web.Request) -> web.Response:
    return web_answer(agents.heartbeat(request.app[STATE], await read_call(request)))


@routes.delete("/v1/workers/{worker_id}")
@routes.delete("/api/worker/unregister/{worker_id}")
@described("A worker leaves, or an operator removes it", {"status": "string"}, who="worker")
@guards_itself
async def unregister(request: web.Request) -> web.Response:
    worker_id = request.match_info["worker_id"]
    return web_answer(agents.unregister(request.app[STATE], worker_id, await read_call(request)))


@routes.post("/v1/observations")
@described("What an edge sees of workers' loads", {"taken": "integer"}, body=Observations, who="worker")
async def observe(request: web.Request) -> web.Response:
    """Of workers that are not known nothing is taken."""
    state = request.app[STATE]
    seen = agents.understand(await read_call(request), Observations).workers
    at = state.clock()
    known = [one for one in seen if one.worker_id in state.registry.workers]
    for one in known:
        state.registry.observed(one.worker_id, one.load, at)
    return json_answer({"taken": len(known)})


@routes.post("/v1/edges/report")
@routes.post("/api/edge/report")
@described("What an edge saw of each worker", EdgeReportAnswer, body=EdgeReport, who="worker")
async def report(request: web.Request) -> web.Response:
    """Workers that the edge leaves out are probed at once, instead of when their lease ends."""
    state = request.app[STATE]
    seen = agents.understand(await read_call(request), EdgeReport).workers
    at = state.clock()
    for one in seen:
        if one.left_out:
            state.registry.left_out(one.service, one.url, at)
    return json_answer(EdgeReportAnswer(heartbeat_interval=REPORT_INTERVAL).model_dump())


@routes.get("/api/coordinator/workers")
@described("The live workers", {"workers": "array", "count": "integer", "settled": "boolean", "gone": "array"})
async def workers(request: web.Request) -> web.Response:
    """The live workers. The ETag is weak: it changes with what is routed by, not with each heartbeat."""
    state = request.app[STATE]
    at = state.clock()
    records = [views.record(worker, at) for worker in state.registry.live(at)]
    if state.federation is not None:
        records += state.federation.elsewhere(at)
    settled = state.settled(at)
    gone = state.registry.gone(at)
    etag = _etag(records, settled, gone)
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if etag in _named_etags(request):
        return web.Response(status=304, headers=headers)
    body = {
        "workers": records,
        "count": len(records),
        "timestamp": at.wall.isoformat(),
        "services": list(state.registry.catalog),
        "settled": settled,
        "gone": gone,
    }
    return json_answer(body, headers=headers)


_ROUTED_BY = ("worker_id", "tunnel_url", "vpn_ip", "region", "status", "assigned_services", "services", "reverse_key")


def _etag(records: list[views.JsonObject], settled: bool, gone: list[str]) -> str:
    rows = [[record[name] for name in _ROUTED_BY] for record in records]
    return f'W/"{hashlib.sha256(orjson.dumps([rows, settled, gone])).hexdigest()[:20]}"'


def _named_etags(request: web.Request) -> set[str]:
    return {f'W/"{tag.value}"' for tag in request.if_none_match or () if tag.value != "*"}
