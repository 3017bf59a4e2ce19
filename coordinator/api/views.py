"""Records as JSON objects: the union of what three generations of clients read.

Both names of a list are given (`assigned_services`, `assigned_containers`), times are ISO 8601 in UTC,
status is one of healthy, degraded, offline. `services` null marks an old agent.
"""

from collections.abc import Mapping
from typing import Any

from coordinator.catalog import CATALOG, Wanted
from coordinator.identity.gate import fingerprint
from coordinator.registry import Now, Worker
from edgeproxy.cluster.messages import (
    Container,
    HeartbeatAnswer,
    RegistrationAnswer,
    ServiceConfig,
)

JsonObject = dict[str, Any]


def registered(worker: Worker, interval: float, session: str | None = None) -> JsonObject:
    configs = _configs(worker)
    answer = RegistrationAnswer(
        worker_id=worker.worker_id,
        worker_type=worker.worker_type,
        tier=worker.tier,
        assigned_services=list(worker.assigned),
        assigned_containers=[Container(name=config.name, port=config.port) for config in configs],
        service_configs=configs,
        heartbeat_interval=interval,
        session=session,
        message=f"Worker registered with {len(worker.assigned)} service(s)",
    )
    return answer.model_dump(mode="json", exclude=None if session else {"session"})


def heard(worker: Worker, interval: float) -> JsonObject:
    return HeartbeatAnswer(
        assigned_services=list(worker.assigned),
        service_configs=_configs(worker),
        heartbeat_interval=interval,
    ).model_dump(mode="json")


def _configs(worker: Worker) -> list[ServiceConfig]:
    specs = [CATALOG[name].spec for name in worker.assigned]
    return [ServiceConfig(name=spec.name, port=spec.port, priority=spec.priority) for spec in specs]


def record(worker: Worker, now: Now) -> JsonObject:
    """One worker, as /api/coordinator/workers tells it."""
    reports = None if worker.services is None else [r.model_dump(mode="json") for r in worker.services]
    return {
        "worker_id": worker.worker_id,
        "tunnel_url": worker.tunnel_url,
        "vpn_ip": worker.vpn_ip,
        "region": worker.region,
        "capabilities": worker.capabilities,
        "worker_type": worker.worker_type,
        "tier": worker.tier,
        "assigned_services": list(worker.assigned),
        "assigned_containers": list(worker.assigned),
        "services": reports,
        "containers": reports or [],
        "registered_at": worker.registered_at.isoformat(),
        "last_heartbeat": worker.last_heartbeat.isoformat(),
        "status": worker.status(now),
        "tasks_completed": worker.tasks_completed,
        "identity": fingerprint(worker.credential),
        "signed": fingerprint(worker.credential) is not None,
        "cordoned": worker.cordoned,
        "draining": worker.draining,
        **_beat(worker),
    }


def _beat(worker: Worker) -> JsonObject:
    if worker.beat is None:
        return {"current_load": 0.0, "active_requests": 0, "loaded_models": []}
    return worker.beat.model_dump(mode="json", exclude={"worker_id", "status", "services"})


def admin_record(worker: Worker, now: Now) -> JsonObject:
    status = worker.status(now)
    age = round(now.monotonic - worker.heard, 3)
    return {**record(worker, now), "age_seconds": age, "is_healthy": status == "healthy"}


def candidate(worker: Worker, service: str, now: Now) -> JsonObject:
    """One worker of a service, as /api/services/discover tells it: `tunnel_url` is where that service is."""
    url = next((r.service_url for r in worker.services or () if r.name == service), worker.tunnel_url)
    return {
        "worker_id": worker.worker_id,
        "tunnel_url": url,
        "service_url": url,
        "vpn_ip": worker.vpn_ip,
        "capabilities": worker.capabilities,
        "load": worker.beat.current_load if worker.beat else 0.0,
        "last_heartbeat": worker.last_heartbeat.isoformat(),
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


def gaps(running: Mapping[str, list[Worker]]) -> JsonObject:
    """Every service of the catalogue: critical ones first, then warnings, then those that are well
    covered."""
    order = {"critical": 0, "warning": 1, "ok": 2}
    rows = [gap(wanted, len(running.get(name, ()))) for name, wanted in CATALOG.items()]
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
