"""A worker is shown to edges when somebody has reached it at the host that it gives."""

from typing import Any

import pytest

from coordinator.registry import Registry, Worker
from edgeproxy.cluster.messages import Heartbeat, Registration


@pytest.fixture
def registry(clock: Any) -> Registry:
    return Registry(10.0, clock.new_id, dial_back=True)


def reports(host: str, *names: str, status: str = "healthy") -> list[dict[str, Any]]:
    return [{"name": name, "service_url": f"http://{host}:1/{name}", "status": status} for name in names]


def join(registry: Registry, clock: Any, host: str = "10.0.0.7", **more: Any) -> Worker:
    body = {"worker_id": "w", "capabilities": {}, "services": reports(host, "notes-coa"), **more}
    return registry.register(Registration.model_validate(body), clock())


def beat(registry: Registry, clock: Any, services: list[dict[str, Any]]) -> None:
    registry.heartbeat(Heartbeat.model_validate({"worker_id": "w", "services": services}), clock())


def reach(registry: Registry, clock: Any, direct: Any = "alive", peer: Any = None) -> None:
    worker = registry.workers["w"]
    registry.probed("w", worker.incarnation, clock(), direct=direct, peer=peer)


def shown(registry: Registry, clock: Any) -> bool:
    listed = bool(registry.live(clock()))
    assert listed == bool(registry.running(clock()))
    return listed


@pytest.mark.parametrize(("direct", "peer"), [("alive", None), ("silent", "alive"), (None, "alive")])
def test_it_is_shown_when_we_or_a_peer_reached_it(registry: Registry, clock: Any, direct: Any, peer: Any) -> None:
    join(registry, clock)
    assert not shown(registry, clock)
    mark = registry.events.mark
    reach(registry, clock, direct, peer)
    assert shown(registry, clock)
    assert [event.detail for event in registry.events.since(mark) or ()] == ["it was reached"]


def test_one_that_cannot_be_reached_stays_hidden_and_is_no_coverage(registry: Registry, clock: Any) -> None:
    join(registry, clock)
    index = list(registry.catalog).index("notes-coa")
    reach(registry, clock, "refused", "absent")
    assert not shown(registry, clock)
    assert registry.workers["w"].status == "healthy"
    assert registry.assignments.fleet.serving[index] == 0


def test_it_is_tried_again_every_half_minute(registry: Registry, clock: Any) -> None:
    join(registry, clock)
    tries = 0
    for _ in range(30):
        tries += len(registry.take_probes(10))
        reach(registry, clock, "silent", "absent")
        clock.move(5)
        beat(registry, clock, reports("10.0.0.7", "notes-coa"))
    assert 5 <= tries <= 7


def test_another_host_must_be_reached_anew_the_same_one_not(registry: Registry, clock: Any) -> None:
    join(registry, clock)
    reach(registry, clock)
    beat(registry, clock, reports("10.0.0.7", "notes-coa", "ner-extraction"))
    assert shown(registry, clock)
    join(registry, clock)
    assert shown(registry, clock)
    beat(registry, clock, reports("10.0.0.8", "notes-coa"))
    assert not shown(registry, clock)
    join(registry, clock, "10.0.0.7")
    assert not shown(registry, clock)


def test_what_was_shown_to_be_elsewhere_does_not_count(registry: Registry, clock: Any) -> None:
    """A probe of the old address comes back after the new one was told: the incarnation is the same."""
    join(registry, clock)
    reach(registry, clock)
    beat(registry, clock, reports("10.0.0.8", "notes-coa"))
    (probe,) = registry.take_probes(10)[-1:]
    old = "http://10.0.0.7:1/notes-coa/health"
    registry.probed("w", probe.incarnation, clock(), direct="alive", url=old)
    assert not shown(registry, clock)
    registry.probed("w", probe.incarnation, clock(), direct="alive", url=probe.url)
    assert shown(registry, clock)


def test_hosts_of_this_machine_need_no_proof(registry: Registry, clock: Any) -> None:
    join(registry, clock, "127.0.0.1")
    assert shown(registry, clock)
    join(registry, clock, "localhost")
    assert shown(registry, clock)
