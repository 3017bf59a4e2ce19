"""Records as JSON objects: the union of what three generations of clients read.

Both names of a list are given (`assigned_services`, `assigned_containers`), times are ISO 8601 in UTC,
status is one of healthy, degraded, offline. `services` null marks an old agent.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from coordinator.catalog import Catalog, Wanted
from coordinator.identity.gate import fingerprint
from coordinator.registry import Now, Worker, reports_named

JsonObject = dict[str, Any]


def registered(worker: Worker, interval: float, catalog: Catalog, session: str | None = None) -> JsonObject:
    """RegistrationAnswer as JSON, written out: what is in it was checked when it came."""
    configs = _configs(worker, catalog)
    answer: JsonObject = {
        "status": "registered",
        "worker_id": worker.worker_id,
        "worker_type": worker.worker_type,
        "tier": worker.tier,
        "assigned_services": list(worker.assigned),
        "assigned_containers": [{"name": row["name"], "image": "", "port": row["port"], "env": {}} for row in configs],
        "service_configs": configs,
        "heartbeat_interval": interval,
        "incarnation": worker.incarnation,
        "message": f"Worker registered with {len(worker.assigned)} service(s)",
    }
    return answer if session is None else {**answer, "session": session}


def heard(worker: Worker, interval: float, catalog: Catalog, move_to: str | None = None) -> JsonObject:
    """HeartbeatAnswer as JSON."""
    answer: JsonObject = {
        "status": "ok",
        "assigned_services": list(worker.assigned),
        "service_configs": _configs(worker, catalog),
        "heartbeat_interval": interval,
    }
    return answer if move_to is None else {**answer, "move_to": move_to}


def _configs(worker: Worker, catalog: Catalog) -> list[JsonObject]:
    specs = [catalog[name].spec for name in worker.assigned]
    return [{"name": spec.name, "port": spec.port, "priority": spec.priority} for spec in specs]


def record(worker: Worker, now: Now) -> JsonObject:
    """One worker, as /api/coordinator/workers tells it."""
    told, services = worker.told(), worker.services
    reports = None if services is None else [r.model_dump(mode="json") for r in services]
    return {
        "worker_id": worker.worker_id,
        "tunnel_url": told["tunnel_url"],
        "vpn_ip": told["vpn_ip"],
        "region": told["region"],
        "capabilities": told["capabilities"],
        "worker_type": worker.worker_type,
        "tier": worker.tier,
        "assigned_services": list(worker.assigned),
        "assigned_containers": list(worker.assigned),
        "services": reports,
        "reverse_key": told.get("reverse_key"),
        "containers": reports or [],
        "registered_at": worker.registered_at.isoformat(),
        "last_heartbeat": worker.last_heartbeat(now).isoformat(),
        "status": worker.word,
        "state": worker.status,
        "incarnation": worker.incarnation,
        "unverified": worker.unverified,
        "identity": fingerprint(worker.credential),
        "signed": fingerprint(worker.credential) is not None,
        "cordoned": worker.cordoned,
        "draining": worker.draining,
        "reached": worker.reached,
        "tasks_completed": 0,
        "current_load": worker.load(now),
        **worker.extras,
    }


def admin_record(worker: Worker, now: Now) -> JsonObject:
    age = round(now.monotonic - worker.heard, 3)
    return {**record(worker, now), "age_seconds": age, "is_healthy": worker.word == "healthy"}


def candidate(worker: Worker, service: str, now: Now) -> JsonObject:
    """One worker of a service, as /api/services/discover tells it: `tunnel_url` is where that service is."""
    told, report = worker.told(), reports_named(worker, service)
    url = told["tunnel_url"] if report is None else report.service_url
    return {
        "worker_id": worker.worker_id,
        "tunnel_url": url,
        "service_url": url,
        "vpn_ip": told["vpn_ip"],
        "capabilities": told["capabilities"],
        "load": worker.load(now),
        "last_heartbeat": worker.last_heartbeat(now).isoformat(),
    }


def gap(wanted: Wanted, workers: int) -> JsonObject:
    return {
        "service": wanted.spec.name,
        "required_type": wanted.spec.requires,
        "priority": wanted.spec.priority,
        "current_workers": workers,
        "status": wanted.gap(workers),
        "port": wanted.spec.port,
    }


def gaps(running: Mapping[str, Sequence[object]], catalog: Catalog) -> JsonObject:
    """Every service of the catalogue: critical ones first, then warnings, then those that are well
    covered."""
    order = {"critical": 0, "warning": 1, "ok": 2}
    rows = [gap(wanted, len(running.get(name, ()))) for name, wanted in catalog.items()]
    rows.sort(key=lambda row: (order[row["status"]], row["priority"]))
    by_status = {status: [row for row in rows if row["status"] == status] for status in order}
    return {
        "gaps": rows,
        "critical_gaps": by_status["critical"],
        "warnings": by_status["warning"],
        "summary": {
            "total_services": len(rows),
            "covered": len(by_status["ok"]),
            "needs_attention": len(rows) - len(by_status["ok"]),
        },
    }
