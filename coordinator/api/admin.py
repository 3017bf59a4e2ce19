"""What operators, dashboards and other clients read: workers, services, gaps, discovery."""

from collections import Counter
from typing import Final

from aiohttp import web

from coordinator.api import views
from coordinator.api.answers import fail, json_answer
from coordinator.api.describe import described
from coordinator.api.state import STATE, State
from coordinator.catalog import Catalog
from edgeproxy.cluster.services import canonical

routes = web.RouteTableDef()

FORMAT: Final = {"format": {"type": "string", "enum": ["object", "list"], "default": "object"}}


@routes.get("/v1/workers")
@routes.get("/api/admin/workers")
@described("All workers that are remembered", "object|array", query=FORMAT)
async def workers(request: web.Request) -> web.Response:
    """All that are remembered; `?format=list` gives the bare array that one dashboard wants."""
    state = request.app[STATE]
    at = state.clock()
    known = sorted(state.registry.workers.values(), key=lambda worker: worker.worker_id)
    records = [views.admin_record(worker, at) for worker in known]
    if state.federation is not None:
        records += state.federation.elsewhere(at)
    if request.query.get("format") == "list":
        return json_answer(records)
    healthy = sum(record["is_healthy"] for record in records)
    return json_answer({"workers": records, "total": len(records), "healthy": healthy})


@routes.get("/v1/services")
@routes.get("/api/admin/services")
@described("Who runs each service", {"services": "object|array", "total_services": "integer"}, query=FORMAT)
async def services(request: web.Request) -> web.Response:
    """An object by name whose values carry the name: it serves those who index and those who iterate over
    values."""
    state = request.app[STATE]
    running = _everywhere(state)
    told = Counter(name for worker in state.registry.workers.values() for name in worker.assigned)
    catalog = state.registry.catalog
    rows = {n: _service(catalog, n, running.get(n, []), told[n]) for n in [*catalog, *sorted(running)]}
    if request.query.get("format") == "list":
        return json_answer({"services": list(rows.values()), "total_services": len(rows)})
    return json_answer({"services": rows, "total_services": len(rows)})


def _service(catalog: Catalog, name: str, workers: list[str], told: int) -> views.JsonObject:
    wanted = catalog.get(name)
    return {
        "name": name,
        "workers": workers,
        "worker_count": len(workers),
        "total_workers": max(told, len(workers)),
        "healthy_workers": len(workers),
        "status": wanted.gap(len(workers)) if wanted else "ok",
    }


def _everywhere(state: State) -> dict[str, list[str]]:
    """Who serves each service, here and at other coordinators."""
    at = state.clock()
    found = {name: [w.worker_id for w in workers] for name, workers in state.registry.running(at).items()}
    for row in [] if state.federation is None else state.federation.elsewhere(at):
        for name in served(row):
            found.setdefault(name, []).append(row["worker_id"])
    return found


def served(row: views.JsonObject) -> list[str]:
    """The services that a record of elsewhere gives to users."""
    if row.get("services") is None:
        return list(row.get("assigned_services", ()))
    return [report["name"] for report in row["services"] if report["status"] == "healthy"]


@routes.get("/v1/gaps")
@routes.get("/api/admin/gaps")
@described("How well each service is covered, the worst first", {"gaps": "array", "summary": "object"})
async def gaps(request: web.Request) -> web.Response:
    state = request.app[STATE]
    return json_answer(views.gaps(_everywhere(state), state.registry.catalog))


@routes.get("/api/services/discover/{service}")
@described("The workers of one service, the least loaded first", {"workers": "array", "count": "integer"})
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
@described("The services that somebody runs", {"services": "object", "total_available": "integer"})
async def available(request: web.Request) -> web.Response:
    """The services that somebody runs."""
    state = request.app[STATE]
    at = state.clock()
    rows = {
        name: {"name": name, "healthy_workers": len(workers), **_kind(state.registry.catalog, name)}
        for name, workers in sorted(state.registry.running(at).items())
    }
    return json_answer({"services": rows, "total_available": len(rows), "timestamp": at.wall.isoformat()})


def _kind(catalog: Catalog, name: str) -> views.JsonObject:
    wanted = catalog.get(name)
    return {
        "tier": wanted.spec.tier if wanted else None,
        "requires": wanted.spec.requires if wanted else None,
    }
