import hashlib
from typing import Any

import pytest

from coordinator.registry import Registry, RegistryFull, StaleIncarnation, Worker
from edgeproxy.cluster.messages import Heartbeat, Registration


def register(registry: Registry, clock: Any, worker_id: str | None = "w", **more: Any) -> Worker:
    body = {
        "worker_id": worker_id,
        "tunnel_url": f"http://{worker_id or 'anon'}:8000",
        "capabilities": {},
        **more,
    }
    return registry.register(Registration.model_validate(body), clock())


def beat(registry: Registry, clock: Any, worker_id: str = "w", **more: Any) -> Worker | None:
    return registry.heartbeat(Heartbeat.model_validate({"worker_id": worker_id, **more}), clock())


def report(name: str, status: str = "healthy") -> dict[str, Any]:
    return {"name": name, "service_url": "http://h:1", "port": 1, "status": status}


def kinds(registry: Registry, mark: str) -> list[str]:
    return [event.kind for event in registry.events.since(mark) or ()]


GPU: dict[str, Any] = {"capabilities": {"worker_type": "gpu"}}
EDGE: dict[str, Any] = {"capabilities": {"worker_type": "edge"}}


def test_two_workers_without_an_id_are_two_workers(registry: Registry, clock: Any) -> None:
    first, second = register(registry, clock, ""), register(registry, clock, None)
    assert first.worker_id != second.worker_id
    assert len(registry.workers) == 2


def test_registering_again_keeps_services_and_first_day(registry: Registry, clock: Any) -> None:
    first = register(registry, clock, "w", **GPU)
    register(registry, clock, "x", **GPU)
    clock.move(5)
    again = register(registry, clock, "w", **GPU)
    assert again.assigned == first.assigned == ("llm-inference",)
    assert again.registered_at == first.registered_at
    assert again.last_heartbeat(clock()) > first.registered_at
    assert len(registry.workers) == registry.assignments.fleet.size == 2


def test_after_a_restart_of_ours_a_worker_keeps_what_it_says_it_runs(registry: Registry, clock: Any) -> None:
    worker = register(registry, clock, services=[report("rag-embeddings", "starting")], **GPU)
    assert worker.assigned == ("rag-embeddings",)


def test_a_report_counts_when_it_is_healthy_an_old_agents_assignment_at_once(registry: Registry, clock: Any) -> None:
    register(registry, clock, "old", **EDGE)
    new = register(registry, clock, "new", services=[report("edge-proxy", "starting")], **EDGE)
    assert {name: len(ws) for name, ws in registry.running(clock()).items()} == {"coordinator": 1, "edge-proxy": 1}
    beat(registry, clock, "new", services=[report("edge-proxy")])
    assert registry.running(clock())["edge-proxy"] == [new, registry.workers["old"]]


def test_a_worker_that_falls_silent_is_suspect_then_offline_then_forgotten(registry: Registry, clock: Any) -> None:
    worker = register(registry, clock, services=[report("notes-coa")])
    seen = []
    for _ in range(4):
        seen.append(("notes-coa" in registry.running(clock()), worker.status))
        clock.move(10)
    assert seen == [(True, "healthy"), (True, "healthy"), (True, "suspect"), (False, "offline")]
    assert registry.live(clock()) == []
    clock.move(570)
    registry.advance(clock())
    assert (registry.workers, registry.used_bytes) == ({}, 0)
    assert beat(registry, clock) is None


def test_an_old_agent_has_ninety_seconds(registry: Registry, clock: Any) -> None:
    worker = register(registry, clock)
    clock.move(89)
    registry.advance(clock())
    assert worker.live
    beat(registry, clock, services=[report("notes-coa")])  # it has learnt to report
    clock.move(30)
    registry.advance(clock())
    assert not worker.live


def test_an_old_agent_that_loads_its_models_is_remembered_for_longer(registry: Registry, clock: Any) -> None:
    register(registry, clock)
    clock.move(1700)  # its first heartbeat comes when everything is launched
    revived = beat(registry, clock)
    assert revived is not None
    assert revived.status == "healthy"


def test_a_heartbeat_that_says_nothing_new_is_no_event(registry: Registry, clock: Any) -> None:
    register(registry, clock, services=[report("notes-coa")])
    beat(registry, clock, services=[report("notes-coa")])
    mark = registry.events.mark
    for _ in range(3):
        clock.move(5)
        beat(registry, clock, services=[report("notes-coa")], available_memory="1GB")
    assert kinds(registry, mark) == []
    beat(registry, clock, services=[report("notes-coa", "unhealthy")])
    assert kinds(registry, mark) == ["status"]


def test_load_is_news_by_the_step(registry: Registry, clock: Any) -> None:
    register(registry, clock, services=[])
    beat(registry, clock, services=[])
    mark = registry.events.mark
    for load in (0.05, 0.1, 0.5, 0.52, 0.45, 0.1):
        beat(registry, clock, services=[], current_load=load)
    assert [e.detail for e in registry.events.since(mark) or ()] == ["0.50", "0.10"]


def test_load_is_the_agents_word_or_a_proxys_if_that_is_higher(registry: Registry, clock: Any) -> None:
    worker = register(registry, clock, services=[])
    beat(registry, clock, services=[], current_load=0.25)
    registry.observed("w", 0.9, clock())
    assert worker.load(clock()) == 0.9
    clock.move(5)
    beat(registry, clock, services=[], current_load=1.5)
    assert worker.load(clock()) == 1.5
    clock.move(31)
    assert worker.load(clock()) == 1.5
    registry.observed("ghost", 1.0, clock())


def test_a_heartbeat_of_an_earlier_life_is_refused(registry: Registry, clock: Any) -> None:
    first = register(registry, clock).incarnation
    second = register(registry, clock).incarnation
    assert second > first
    assert beat(registry, clock, incarnation=second) is not None
    assert beat(registry, clock) is not None  # old agents name none
    with pytest.raises(StaleIncarnation):
        beat(registry, clock, incarnation=first)


def test_a_verdict_on_an_earlier_life_says_nothing_of_this_one(registry: Registry, clock: Any) -> None:
    worker = register(registry, clock, services=[report("notes-coa")])
    registry.probed("w", worker.incarnation, clock(), direct="alive")
    stale = worker.incarnation
    worker = register(registry, clock, services=[report("notes-coa")])
    registry.probed("w", stale, clock(), direct="alive")
    assert worker.reached is None
    registry.probed("w", worker.incarnation, clock(), direct="alive")
    registry.broken("w", clock())
    registry.probed("w", stale, clock(), direct="refused", peer="absent")
    assert worker.live
    registry.probed("w", worker.incarnation, clock(), direct="refused", peer="absent")
    assert not worker.live


def test_nothing_is_mended_while_the_registry_is_young(registry: Registry, clock: Any) -> None:
    register(registry, clock, "a", services=[report("notes-coa")], capabilities={"worker_type": "cpu"})
    registry.workers["a"].cordoned = False
    told = registry.workers["a"].assigned
    clock.move(29)
    assert beat(registry, clock, "a", services=[report("notes-coa")]).assigned == told  # type: ignore[union-attr]
    register(registry, clock, "b", services=[], capabilities={"worker_type": "cpu"})
    registry.unregister("b", clock())
    clock.move(2)
    assert registry.settled(clock())


def test_a_full_registry_takes_back_those_it_knows_only(registry: Registry, clock: Any) -> None:
    registry.max_workers = 1
    register(registry, clock, "a")
    register(registry, clock, "a")
    with pytest.raises(RegistryFull):
        register(registry, clock, "b")


def test_what_workers_say_is_bounded_in_all(registry: Registry, clock: Any) -> None:
    registry.max_bytes = 1000
    noise = {str(n): hashlib.sha256(bytes([n])).hexdigest() for n in range(60)}
    with pytest.raises(RegistryFull):
        register(registry, clock, "a", capabilities=noise)
    for n in range(10):
        register(registry, clock, "b", capabilities={"n": n})
    assert 0 < registry.used_bytes < 200
    registry.unregister("b", clock())
    assert registry.used_bytes == 0


def test_containers_with_urls_are_reports_where_the_worker_has_no_url(registry: Registry, clock: Any) -> None:
    containers = [{"name": "chromadb", "service_url": "http://h:8000", "port": 8000, "capabilities": ["x"]}]
    kind = {"capabilities": {"worker_type": "storage"}}
    without = register(registry, clock, "a", tunnel_url=None, containers=containers, **kind)
    assert [r.name for r in without.services or ()] == ["chromadb"]
    assert register(registry, clock, "b", containers=containers, **kind).services is None


def test_only_what_old_agents_say_beside_is_kept_of_a_heartbeat(registry: Registry, clock: Any) -> None:
    worker = register(registry, clock, services=[report("notes-coa")])
    beat(registry, clock, services=[report("notes-coa")], services_status={"notes-coa": "healthy"})
    assert worker.extras_packed is None
    assert worker.extras["services_status"] == {"notes-coa": "healthy"}
    beat(registry, clock, loaded_models=["llama"], gpu_utilization=88.5)
    assert (worker.extras["loaded_models"], worker.extras["gpu_utilization"]) == (["llama"], 88.5)


def test_a_worker_that_cannot_run_what_it_was_told_is_a_gap_again(registry: Registry, clock: Any) -> None:
    worker = register(registry, clock, services=[], **GPU)
    index = list(registry.catalog).index("llm-inference")
    assert registry.assignments.fleet.serving[index] == 1  # told: it counts, for a while
    for _ in range(7):
        clock.move(10)
        beat(registry, clock, services=[])
    assert registry.assignments.fleet.serving[index] == 0
    assert worker.status == "healthy"


def test_a_cordoned_worker_keeps_what_it_has_and_gets_nothing(registry: Registry, clock: Any) -> None:
    register(registry, clock, "a", services=[report("coordinator")], **EDGE)
    assert registry.cordon("a", clock())
    for _ in range(4):
        clock.move(10)
        beat(registry, clock, "a", services=[report("coordinator")])
    assert registry.workers["a"].assigned == ("coordinator", "edge-proxy")
    assert registry.drain("ghost", clock()) is registry.resume("ghost", clock()) is False


def test_a_drain_outlives_a_registration(registry: Registry, clock: Any) -> None:
    register(registry, clock, "a", services=[], **EDGE)
    registry.drain("a", clock())
    clock.move(5)
    again = register(registry, clock, "a", services=[], **EDGE)
    assert (again.status, again.assigned) == ("draining", ())
    registry.resume("a", clock())
    assert registry.workers["a"].status != "draining"


def test_a_new_worker_is_probed_once_to_learn_whether_it_can_be(registry: Registry, clock: Any) -> None:
    register(registry, clock, "a")
    register(registry, clock, "n", tunnel_url=None)
    (probe,) = registry.take_probes(10)
    assert (probe.worker_id, probe.url, probe.why) == ("a", "http://a:8000/health", "reach")
    assert registry.take_probes(10) == []


def test_probes_are_taken_as_many_as_can_be_made(registry: Registry, clock: Any) -> None:
    for number in range(5):
        register(registry, clock, f"w{number}")
    assert len(registry.take_probes(2)) == 2
    assert registry.take_probes(0) == []
    assert len(registry.take_probes(9)) == 3


def test_a_long_life_leaves_nothing_behind(registry: Registry, clock: Any) -> None:
    """Counts that are kept by hand agree with the records, whatever happened."""
    for round_ in range(300):
        clock.move(3)
        name = f"w{round_ * 7 % 13}"
        match round_ % 9:
            case 0 | 1:
                kind = ("gpu", "cpu", "edge", "storage")[round_ % 4]
                register(registry, clock, name, services=[], capabilities={"worker_type": kind})
            case 2:
                registry.unregister(name, clock())
            case 3:
                registry.drain(name, clock())
            case 4:
                registry.resume(name, clock())
            case _:
                beat(registry, clock, name, services=[report("notes-coa", ("healthy", "unhealthy")[round_ % 2])])
        live = [worker for worker in registry.workers.values() if worker.live]
        assert registry.assignments.fleet.size == len(live)
        assert registry.watch.caution.suspects == sum(worker.status == "suspect" for worker in live)
        assert registry.used_bytes == sum(worker.size for worker in registry.workers.values())
        assert all((worker.member is not None) == worker.live for worker in registry.workers.values())
    for _ in range(3):  # all at once are spared for a while
        clock.move(2000)
        registry.advance(clock())
    assert registry.workers == {}
    assert (registry.used_bytes, registry.assignments.fleet.size, registry.watch.caution.suspects) == (0, 0, 0)
    assert registry.assignments.draining == {}
