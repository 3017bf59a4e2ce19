"""Records as rows and back."""

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coordinator.catalog import CATALOG
from coordinator.packing import pack, unpack
from coordinator.registry import Registry
from coordinator.snapshot import Malformed, from_row, to_row
from edgeproxy.cluster.messages import Heartbeat, Registration


def full_row(registry: Registry, clock: Any) -> dict[str, Any]:
    body = {
        "worker_id": "w",
        "tunnel_url": "https://abc.trycloudflare.com",
        "vpn_ip": "10.42.0.5",
        "region": "eu",
        "capabilities": {"worker_type": "gpu", "gpu_memory": "24576 MiB", "note": "é"},
        "services": [{"name": "llm-inference", "service_url": "http://h:1", "port": 8105, "health_path": "/h"}],
        "runnable": ["llm-inference"],
    }
    worker = registry.register(Registration.model_validate(body), clock())
    registry.heartbeat(Heartbeat(worker_id="w", current_load=0.5), clock())
    worker.credential, worker.reached = b"\x00key", True
    row: dict[str, Any] = orjson.loads(orjson.dumps(to_row(worker)))
    return row


def test_a_record_comes_back_as_it_was(registry: Registry, clock: Any) -> None:
    row = full_row(registry, clock)
    old, new = registry.workers["w"], from_row(row, CATALOG)
    same = ("worker_id", "facts", "kind", "reports", "assigned", "incarnation", "registered", "credential", "reached")
    assert [getattr(new, name) for name in same] == [getattr(old, name) for name in same]
    assert (new.status, new.has_beaten, new.told()) == ("healthy", True, old.told())
    assert to_row(new) == to_row(old)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"worker_id": "../x"}, "worker_id"),
        ({"worker_id": ""}, "worker_id"),
        ({"tunnel_url": "http://169.254.169.254/"}, "no worker can be reached"),
        ({"capabilities": None}, "capabilities"),
        ({"worker_type": "tpu"}, "worker_type"),
        ({"worker_type": []}, "worker_type"),
        ({"status": "fine"}, "status"),
        ({"registered": "yesterday"}, "registered"),
        ({"registered": True}, "registered"),
        ({"incarnation": -1}, "incarnation"),
        ({"assigned": "llm"}, "assigned"),
        ({"assigned": [1]}, "assigned"),
        ({"credential": "*"}, "credential"),
        ({"credential": "A" * 5000}, "credential"),
    ],
)
def test_a_row_that_is_none_of_ours_is_refused_with_its_field(
    registry: Registry, clock: Any, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(Malformed, match=words):
        from_row({**full_row(registry, clock), **change}, CATALOG)


json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


KEYS = [*sorted(Registration.model_fields), "status", "assigned", "incarnation", "worker_type"]


@given(st.dictionaries(st.sampled_from(KEYS), json, max_size=5))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_anything_else_is_refused_and_nothing_else_happens(row: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        from_row(row, CATALOG)


@given(json)
def test_what_is_packed_comes_out(value: Any) -> None:
    assert unpack(pack({"v": value})) == {"v": value}


def test_usual_facts_become_small() -> None:
    facts = {"hostname": "scc-ws-01", "cpu_cores": 16, "has_gpu": True, "gpu_type": "NVIDIA GeForce RTX 3090"}
    assert len(pack(facts)) < len(orjson.dumps(facts)) / 2
