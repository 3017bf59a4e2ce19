"""What operators, dashboards and other clients read: workers, services, gaps, discovery."""

from collections import Counter

from aiohttp import web

from coordinator.api import views
from coordinator.api.answers import fail, json_answer
from coordinator.api.state import STATE
from coordinator.catalog import CATALOG, Wanted
from coordinator.registry import Worker
from edgeproxy.cluster.services import canonical

routes = web.RouteTableDef()


@routes.get("/api/admin/workers")
async def workers(request: web.Request) -> web.Response:
    """All that are remembered; `?format=list` gives the bare array that one dashboard wants."""
    state = request.app[STATE]
    at = state.clock()
    known = sorted(state.registry.workers.values(), key=lambda worker: worker.worker_id)
    records = [views.admin_record(worker, at) for worker in known]
    if request.query.get("format") == "list":
        return json_answer(records)
    healthy = sum(record["is_healthy"] for record in records)
    return json_answer({"workers": records, "total": len(records), "healthy": healthy})


@routes.get("/api/admin/services")
async def services(request: web.Request) -> web.Response:
    """An object by name whose values carry the name: it serves those who index and those who iterate over
    values."""
    state = request.app[STATE]
    running = state.registry.running(state.clock())
    told = Counter(name for worker in state.registry.workers.values() for name in worker.assigned)
    rows = {name: _service(name, running.get(name, []), told[name]) for name in [*CATALOG, *sorted(running)]}
    if request.query.get("format") == "list":
        return json_answer({"services": list(rows.values()), "total_services": len(rows)})
    return json_answer({"services": rows, "total_services": len(rows)})


def _service(name: str, workers: list[Worker], told: int) -> views.JsonObject:
    wanted: Wanted | None = CATALOG.get(name)
    return {
        "name": name,
        "workers": [worker.worker_id for worker in workers],
        "worker_count": len(workers),
        "total_workers": max(told, len(workers)),
        "healthy_workers": len(workers),
        "status": wanted.gap(len(workers)) if wanted else "ok",
    }


@routes.get("/api/admin/gaps")
async def gaps(request: web.Request) -> web.Response:
    state = request.app[STATE]
    return json_answer(views.gaps(state.registry.running(state.clock())))


@routes.get("/api/services/discover/{service}")
async def discover(request: web.Request) -> web.Response:
    """The workers of one service, the least loaded first."""
    state = request.app[STATE]
    at = state.clock()
    service = canonical(request.match_info["service"])
    found = [views.candidate(worker, service, at) for worker in state.registry.running(at).get(service, ())]
    if not found:
        fail(503, f"no healthy worker runs {service[:64]!r}", {"Retry-After": "5"})
    found.sort(key=lambda row: (row["load"], row["worker_id"]))
    return json_answer({"service": service, "workers": found, "count": len(found), "recommended": found[0]})


@routes.get("/api/services/list")
async def available(request: web.Request) -> web.Response:
    """The services that somebody runs."""
    state = request.app[STATE]
    at = state.clock()
    rows = {
        name: {"name": name, "healthy_workers": len(workers), **_kind(name)}
        for name, workers in sorted(state.registry.running(at).items())
    }
    return json_answer({"services": rows, "total_available": len(rows), "timestamp": at.wall.isoformat()})


def _kind(name: str) -> views.JsonObject:
    wanted = CATALOG.get(name)
    return {
        "tier": wanted.spec.tier if wanted else None,
        "requires": wanted.spec.requires if wanted else None,
    }
