from typing import Any

import pytest

from coordinator.registry import Registry, RegistryFull, Worker
from edgeproxy.cluster.messages import Heartbeat, Registration


def register(registry: Registry, clock: Any, worker_id: str | None = "w", **more: Any) -> Worker:
    body = {
        "worker_id": worker_id,
        "tunnel_url": f"http://{worker_id or 'anon'}:8000",
        "capabilities": {},
        **more,
    }
    return registry.register(Registration.model_validate(body), clock())


def beat(registry: Registry, clock: Any, worker_id: str = "w", settled: bool = True, **more: Any) -> Worker | None:
    message = Heartbeat.model_validate({"worker_id": worker_id, **more})
    return registry.heartbeat(message, clock(), settled=settled)


def report(name: str, status: str = "healthy") -> dict[str, Any]:
    return {"name": name, "service_url": "http://h:1", "port": 1, "status": status}


def test_two_workers_without_an_id_are_two_workers(registry: Registry, clock: Any) -> None:
    first, second = register(registry, clock, ""), register(registry, clock, None)
    assert first.worker_id != second.worker_id
    assert len(registry.workers) == 2


def test_registering_again_keeps_services_and_first_day(registry: Registry, clock: Any) -> None:
    gpu = {"capabilities": {"worker_type": "gpu"}}
    first = register(registry, clock, "w", **gpu)
    register(registry, clock, "x", **gpu)
    clock.move(5)
    again = register(registry, clock, "w", **gpu)
    assert again.assigned == first.assigned == ("llm-inference",)
    assert again.registered_at == first.registered_at
    assert again.last_heartbeat > first.last_heartbeat


def test_after_a_restart_of_ours_a_worker_keeps_what_it_says_it_runs(registry: Registry, clock: Any) -> None:
    worker = register(
        registry, clock, capabilities={"worker_type": "gpu"}, services=[report("rag-embeddings", "starting")]
    )
    assert worker.assigned == ("rag-embeddings",)


def test_a_report_counts_when_it_is_healthy_an_old_agents_assignment_at_once(registry: Registry, clock: Any) -> None:
    edge = {"capabilities": {"worker_type": "edge"}}
    register(registry, clock, "old", **edge)
    new = register(registry, clock, "new", services=[report("edge-proxy", "starting")], **edge)
    assert {name: len(ws) for name, ws in registry.running(clock()).items()} == {
        "coordinator": 1,
        "edge-proxy": 1,
    }
    beat(registry, clock, "new", services=[report("edge-proxy")])
    assert registry.running(clock())["edge-proxy"] == [new, registry.workers["old"]]


def test_a_worker_that_falls_silent_is_degraded_then_offline_then_forgotten(registry: Registry, clock: Any) -> None:
    worker = register(registry, clock, services=[report("notes-coa")])
    seen = []
    for _ in range(4):
        seen.append((worker.status(clock()), "notes-coa" in registry.running(clock())))
        clock.move(10)
    assert seen == [("healthy", True), ("healthy", True), ("degraded", False), ("offline", False)]
    assert registry.live(clock()) == []
    assert registry.sweep(clock()) == []
    clock.move(600)
    assert registry.sweep(clock()) == ["w"]
    assert beat(registry, clock) is None


def test_an_old_agent_has_ninety_seconds(registry: Registry, clock: Any) -> None:
    worker = register(registry, clock)
    clock.move(89)
    assert worker.live(clock())
    beat(registry, clock, services=[report("notes-coa")])  # it has learnt to report
    clock.move(30)
    assert not worker.live(clock())


def test_a_death_is_mended_by_the_next_heartbeat_of_a_worker_with_room(registry: Registry, clock: Any) -> None:
    gpu = {"capabilities": {"worker_type": "gpu"}, "services": []}
    for name in ("a", "b", "c", "d"):
        register(registry, clock, name, **gpu)
    assert registry.workers["d"].assigned == ("llm-inference",)
    clock.move(29)
    for name in ("a", "c", "d"):
        beat(registry, clock, name)
    assert registry.workers["b"].assigned == ("vision-ocr",)
    clock.move(1)
    told = [worker.assigned for name in ("a", "c", "d") if (worker := beat(registry, clock, name))]
    assert told == [("vision-ocr",), ("rag-embeddings",), ("llm-inference",)]


def test_nothing_is_mended_while_the_registry_is_young(registry: Registry, clock: Any) -> None:
    cpu = {"capabilities": {"worker_type": "cpu"}, "services": [report("notes-coa")]}
    register(registry, clock, "a", runnable=["notes-coa"], **cpu)
    registry.workers["a"].runnable = None
    assert beat(registry, clock, "a", settled=False).assigned == ("notes-coa",)  # type: ignore[union-attr]
    assert len(beat(registry, clock, "a", settled=True).assigned) == 3  # type: ignore[union-attr]


def test_a_full_registry_takes_back_those_it_knows_only(registry: Registry, clock: Any) -> None:
    registry.max_workers = 1
    register(registry, clock, "a")
    register(registry, clock, "a")
    with pytest.raises(RegistryFull):
        register(registry, clock, "b")


def test_containers_with_urls_are_reports_where_the_worker_has_no_url(registry: Registry, clock: Any) -> None:
    containers = [{"name": "chromadb", "service_url": "http://h:8000", "port": 8000, "capabilities": ["x"]}]
    kind = {"capabilities": {"worker_type": "storage"}}
    without = register(registry, clock, "a", tunnel_url=None, containers=containers, **kind)
    assert [r.name for r in without.services or ()] == ["chromadb"]
    assert without.lease == 90.0
    assert register(registry, clock, "b", containers=containers, **kind).services is None
