"""What older dashboards, routers and agents ask, in the words of each: edges, statistics, topology, jobs."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import BeforeValidator

from coordinator.api import agents, guard, views
from coordinator.api.answers import fail, json_answer
from coordinator.api.bodies import call_of, read_call
from coordinator.api.calls import Call, Problem
from coordinator.api.describe import described
from coordinator.api.middleware import guards_itself
from coordinator.api.state import STATE, State
from coordinator.registry import Now, Worker
from edgeproxy.cluster.messages import Message, Object, OptionalText, OptionalUrl, Text, WorkerId
from edgeproxy.cluster.services import TIERS, WorkerType, canonical

routes = web.RouteTableDef()

DHT_PORT: Final = 8468
EDGE_INTERVAL: Final = 60  # seconds: what edges of that age do, whatever they are told
_BY_TYPE: Final[Mapping[WorkerType, str]] = {
    "gpu": "gpu_workers",
    "cpu": "service_workers",
    "storage": "data_workers",
    "edge": "edge_workers",
}


class EdgeRegistration(Message):
    """POST /api/edge/register. `services` are names there; `url` is what one generation calls `tunnel_url`."""

    worker_id: Annotated[WorkerId | None, BeforeValidator(lambda value: value or None)] = None
    tunnel_url: OptionalUrl = None
    url: OptionalUrl = None
    location: OptionalText = None
    capabilities: Object = {}


class EdgeHeartbeat(Message):
    """POST /api/edge/heartbeat."""

    worker_id: WorkerId


class Job(Message):
    """POST /api/coordinator/broadcast-job."""

    job_type: Text
    job_data: Object = {}
    required_capability: OptionalText = None


class Done(Message):
    """POST /api/worker/task-complete."""

    worker_id: WorkerId
    task_id: Text
    result: Any = None


@routes.post("/api/edge/register")
@described("An old edge coordinator joins", {"status": "string", "role": "string"}, body=EdgeRegistration, who="worker")
@guards_itself
async def register_edge(request: web.Request) -> web.Response:
    state, call = request.app[STATE], await read_call(request)
    guard.check_key(state, call)
    edge = agents.understand(call, EdgeRegistration)
    url = edge.tunnel_url or edge.url
    if url is None:
        fail(400, "tunnel_url: an edge needs one")
    body = {
        "worker_id": edge.worker_id,
        "tunnel_url": url,
        "region": edge.location,
        "capabilities": {**edge.capabilities, "worker_type": "edge"},
    }
    worker = agents.take_in(state, call, agents.message_of(body))
    return json_answer(
        {
            "status": "registered",
            "role": "edge_coordinator",
            "worker_id": worker.worker_id,
            "total_coordinators": len(_coordinators(state, state.clock())),
            "heartbeat_interval": EDGE_INTERVAL,
            "message": "Edge registered",
        }
    )


@routes.post("/api/edge/heartbeat")
@described("An old edge coordinator lives", {"status": "string"}, body=EdgeHeartbeat, who="worker")
@guards_itself
async def beat_of_edge(request: web.Request) -> web.Response:
    state, call = request.app[STATE], await read_call(request)
    edge = agents.understand(call, EdgeHeartbeat)
    if edge.worker_id not in state.registry.workers:
        guard.check_key(state, call)
        raise Problem(404, "Coordinator not found", error="Coordinator not found")
    agents.heartbeat(state, call)
    return json_answer({"status": "ok"})


@routes.get("/api/admin/stats")
@described("Counts, in the words of two dashboards", {"total_workers": "integer", "by_tier": "object"})
async def stats(request: web.Request) -> web.Response:
    state = request.app[STATE]
    at = state.clock()
    live, known = state.registry.live(at), state.registry.workers
    by_type = Counter(worker.worker_type for worker in live)
    return json_answer(
        {
            "total_workers": len(known),
            "healthy_workers": sum(worker.word == "healthy" for worker in live),
            "offline_workers": len(known) - len(live),
            "workers_by_tier": {name: by_type[kind] for kind, name in _BY_TYPE.items()},
            **{name: by_type[kind] for kind, name in _BY_TYPE.items()},
            "by_tier": {str(tier): by_type[kind] for kind, tier in TIERS.items()},
            "average_load_by_tier": {name: _mean_load(live, kind, at) for kind, name in _BY_TYPE.items()},
            "total_tasks_completed": state.jobs.completed,
            "timestamp": at.wall.isoformat(),
        }
    )


def _mean_load(workers: Iterable[Worker], kind: str, at: Now) -> float:
    loads = [worker.load(at) for worker in workers if worker.worker_type == kind]
    return round(sum(loads) / len(loads), 4) if loads else 0.0


@routes.get("/api/admin/health")
@described("The fleet in one word", {"overall_status": "string", "workers_by_status": "object"})
async def fleet_health(request: web.Request) -> web.Response:
    state = request.app[STATE]
    state.registry.advance(state.clock())
    known = state.registry.workers.values()
    words = Counter[str](worker.word for worker in known)
    kinds = Counter(worker.worker_type for worker in known if worker.word == "healthy")
    enough = {"gpu_workers": kinds["gpu"] > 0, "service_workers": kinds["cpu"] > 0}
    return json_answer(
        {
            "overall_status": "healthy" if all(enough.values()) else "degraded",
            "workers_by_status": {word: words[word] for word in ("healthy", "degraded", "offline")},
            "has_minimum_workers": enough,
        }
    )


@routes.get("/api/admin/coordinators")
@described("Workers that are coordinators", "array")
async def coordinators(request: web.Request) -> web.Response:
    state = request.app[STATE]
    known = [] if state.federation is None else state.federation.coordinators(state.clock())
    return json_answer(known + _coordinators(state, state.clock()))


def _coordinators(state: State, at: Now) -> list[dict[str, Any]]:
    return [
        {
            "worker_id": worker.worker_id,
            "tunnel_url": worker.tunnel_url,
            "location": worker.told()["region"] or "unknown",
            "dht_port": DHT_PORT,
            "registered_at": worker.registered_at.isoformat(),
            "last_seen": int(worker.last_heartbeat(at).timestamp() * 1000),
        }
        for worker in state.registry.live(at)
        if "coordinator" in worker.assigned
    ]


@routes.get("/api/dht/topology")
@described("The fleet as a graph", {"nodes": "array", "edges": "array", "connections": "array"})
async def topology(request: web.Request) -> web.Response:
    """A star: everybody speaks to this coordinator. In the words of two generations."""
    state = request.app[STATE]
    at = state.clock()
    own = _node(state.gate.keys.name, "coordinator", "healthy")
    nodes = [own, *(_node(w.worker_id, w.worker_type, w.word) for w in state.registry.live(at))]
    return json_answer(
        {
            "nodes": nodes,
            "edges": [{"from": node["id"], "to": own["id"], "type": "heartbeat"} for node in nodes[1:]],
            "connections": [{"source_id": node["id"], "target_id": own["id"]} for node in nodes[1:]],
            **_dht(state, at),
            "message": "workers are found by this coordinator, not by a DHT",
        }
    )


def _node(name: str, kind: str, status: str) -> dict[str, str]:
    return {"id": name, "node_id": name, "type": kind, "node_type": kind, "status": status}


@routes.get("/api/dht/bootstrap")
@described("Workers with an address", {"seeds": "array", "seed_count": "integer"})
async def bootstrap(request: web.Request) -> web.Response:
    state = request.app[STATE]
    at = state.clock()
    seeds = [
        {
            "worker_id": worker.worker_id,
            "node_id": worker.worker_id,
            "tunnel_url": worker.tunnel_url,
            "dht_port": DHT_PORT,
            "location": worker.told()["region"] or "unknown",
        }
        for worker in state.registry.live(at)
        if worker.tunnel_url is not None
    ][:50]
    body = {"seeds": seeds, "seed_count": len(seeds), "count": len(seeds), "ttl": 300, "timestamp": at.wall.isoformat()}
    return json_answer(body, headers={"Cache-Control": "public, max-age=300"})


@routes.get("/api/dht/stats")
@described("Counts of the graph", {"dht_enabled": "boolean", "node_count": "integer"})
async def dht_stats(request: web.Request) -> web.Response:
    state = request.app[STATE]
    at = state.clock()
    live = state.registry.live(at)
    return json_answer(
        {
            **_dht(state, at),
            "coordinators": _coordinators(state, at),
            "local_workers": len(live),
            "healthy_workers": sum(worker.word == "healthy" for worker in live),
        }
    )


def _dht(state: State, at: Now) -> dict[str, Any]:
    others = len(_coordinators(state, at))
    return {"dht_enabled": False, "node_count": len(state.registry.live(at)) + 1, "coordinator_count": others + 1}


@routes.get("/api/worker/find/{service}")
@described("Where one service is", {"worker_url": "string"})
async def find(request: web.Request) -> web.Response:
    state = request.app[STATE]
    at = state.clock()
    service = canonical(request.match_info["service"])
    workers = state.registry.running(at).get(service, ())
    found = [views.candidate(worker, service, at) for worker in workers]
    urls = [row for row in found if row["service_url"]]
    if not urls:
        fail(503, f"no healthy worker runs {service[:64]!r}", {"Retry-After": "5"})
    best = min(urls, key=lambda row: (row["load"], row["worker_id"]))
    return json_answer({"service": service, "worker_id": best["worker_id"], "worker_url": best["service_url"]})


@routes.post("/api/coordinator/broadcast-job")
@described("A job for all healthy workers that can", {"job_type": "string", "workers": "array"}, body=Job, who="worker")
async def broadcast(request: web.Request) -> web.Response:
    state = request.app[STATE]
    job = agents.understand(await read_call(request), Job)
    at = state.clock()
    fit = [w for w in state.registry.live(at) if w.word == "healthy" and _can(w, job.required_capability)]
    if not fit:
        fail(503, "no healthy worker can do this", {"Retry-After": "5"})
    rows = []
    for worker in fit:
        queued = state.jobs.queue(worker.worker_id, job.job_type, job.job_data, at.monotonic)
        rows.append(
            {
                "worker_id": worker.worker_id,
                "status": "queued" if queued else "refused",
                "message": "waits to be fetched" if queued else "enough jobs wait for it",
            }
        )
    successful = sum(row["status"] == "queued" for row in rows)
    return json_answer(
        {"job_type": job.job_type, "broadcasted_to": len(rows), "successful": successful, "workers": rows}
    )


def _can(worker: Worker, capability: str | None) -> bool:
    return capability is None or capability in worker.assigned or bool(worker.capabilities.get(capability))


@routes.get("/api/worker/tasks")
@described(
    "Jobs that wait for a worker; they are given once", {"tasks": "array"}, query={"worker_id": {"type": "string"}}
)
async def tasks(request: web.Request) -> web.Response:
    """It takes them away: so it wants what writing wants."""
    state, call = request.app[STATE], call_of(request)
    worker_id = request.query.get("worker_id", "")
    _check_worker(state, worker_id, call)
    return json_answer({"tasks": state.jobs.take(worker_id, state.clock().monotonic)})


@routes.post("/api/worker/task-complete")
@described("A job is done", {"status": "string"}, body=Done, who="worker")
@guards_itself
async def complete(request: web.Request) -> web.Response:
    state, call = request.app[STATE], await read_call(request)
    done = agents.understand(call, Done)
    _check_worker(state, done.worker_id, call)
    if done.worker_id not in state.registry.workers:
        fail(404, "Worker not found")
    state.jobs.completed += 1
    return json_answer({"status": "ok"})


def _check_worker(state: State, worker_id: str, call: Call) -> None:
    guard.check_key(state, call)
    guard.check_unsigned(state, agents.credential_of(state, worker_id), call)
