"""Between the registry and the federation: who is told, who is let go."""

from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest

from coordinator.catalog import CATALOG, Catalog
from coordinator.federation.bridge import Bridge, Life
from coordinator.federation.node import Node
from coordinator.federation.record import Claim
from coordinator.registry import Now, Registry, Worker
from coordinator.snapshot import from_row, to_row
from edgeproxy.cluster.messages import Heartbeat, Registration, ServiceReport
from edgeproxy.cluster.proof import encode

KEY = b"k" * 32
LIFE = Life(encode(KEY), 5, 1, Claim("signed", b"{}"))
REPORT = ServiceReport(name="llm-inference", service_url="http://w1:1", status="healthy")
REGISTRATION = Registration(worker_id="w1", capabilities={"worker_type": "gpu"}, services=[REPORT])


def at(seconds: float) -> Now:
    return Now(seconds, datetime.fromtimestamp(1_800_000_000 + seconds, UTC))


def facts(worker: Worker, now: Now) -> bytes:
    return orjson.dumps({"worker_id": worker.worker_id, "status": worker.word})


@pytest.fixture
def bridge() -> Bridge:
    registry = Registry(5.0, lambda: "x", catalog=Catalog([CATALOG["llm-inference"]]))
    return Bridge(registry, Node("eu", boot=1), facts)


def join(bridge: Bridge, now: float = 0.0) -> Worker:
    worker = bridge.registry.register(REGISTRATION, at(now))
    worker.credential = b"\x01" + KEY
    bridge.registered("w1", LIFE)
    bridge.pump(at(now))
    return worker


def test_heartbeats_are_not_told(bridge: Bridge) -> None:
    join(bridge)
    seq = bridge.node.changes.seq
    for second in range(1, 60):
        bridge.registry.heartbeat(Heartbeat(worker_id="w1", services=[REPORT], current_load=second / 60), at(second))
        assert bridge.pump(at(second)) == 0
    assert bridge.node.changes.seq == seq


def test_silence_is_told_as_down_and_leaving_as_gone(bridge: Bridge) -> None:
    join(bridge)
    bridge.registry.advance(at(60))
    bridge.pump(at(60))
    record = bridge.node.view.records[LIFE.key]
    assert (record.up, record.gone) == (False, False)
    bridge.registry.unregister("w1", at(61))
    bridge.pump(at(61))
    assert bridge.node.view.records[LIFE.key].gone


def test_who_does_not_sign_is_vouched_for(bridge: Bridge) -> None:
    bridge.registry.register(REGISTRATION, at(0))
    bridge.pump(at(0))
    assert list(bridge.node.view.records) == ["eu/w1"]
    bridge.registry.unregister("w1", at(1))
    bridge.pump(at(1))
    assert bridge.node.view.records["eu/w1"].gone


def test_who_moved_away_is_let_go(bridge: Bridge) -> None:
    join(bridge)
    moved = replace(bridge.node.view.records[LIFE.key], home="us", home_epoch=2)
    assert bridge.node.admit(moved, 1.0)
    bridge.pump(at(1))
    assert "w1" not in bridge.registry.workers
    assert bridge.node.view.records[LIFE.key] == moved


def test_a_registration_that_came_late_is_let_go(bridge: Bridge) -> None:
    bridge.registry.register(REGISTRATION, at(0))
    bridge.registered("w1", LIFE)
    join_elsewhere(bridge)
    bridge.pump(at(1))
    assert "w1" not in bridge.registry.workers


def test_an_older_life_is_named(bridge: Bridge) -> None:
    join_elsewhere(bridge)
    assert bridge.outlived(LIFE) == (5, 2)
    assert bridge.outlived(LIFE._replace(home_epoch=3)) is None


def test_whom_a_state_file_brings_back_is_let_go_if_he_moved(bridge: Bridge) -> None:
    worker = join(bridge)
    registry = Registry(5.0, lambda: "x", catalog=bridge.registry.catalog)
    registry.restore([from_row(to_row(worker), registry.catalog)], at(0))
    reborn = Bridge(registry, Node("eu", boot=2), facts)
    reborn.pump(at(1))
    assert "w1" in registry.workers
    assert not reborn.node.view.records, "it is not told before it has come back with its key"
    join_elsewhere(reborn)
    reborn.pump(at(2))
    assert "w1" not in registry.workers


def join_elsewhere(bridge: Bridge) -> None:
    other = Bridge(Registry(5.0, lambda: "x", catalog=bridge.registry.catalog), Node("us", boot=1), facts)
    other.registry.register(REGISTRATION, at(0))
    other.registered("w1", LIFE._replace(home_epoch=2))
    other.pump(at(0))
    assert bridge.node.admit(other.node.view.records[LIFE.key], 1.0)
