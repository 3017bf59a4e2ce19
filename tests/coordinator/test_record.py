"""What a record says of a worker's addresses."""

from typing import Any

import pytest

from coordinator.registry import Now, Registry, Worker
from edgeproxy.cluster.messages import Registration
from tests.coordinator.conftest import START

NOW = Now(1000.0, START)


def taken_in(**body: Any) -> Worker:
    registry = Registry(heartbeat_interval=10.0, new_id=lambda: "w")
    return registry.register(Registration.model_validate({"worker_id": "w", "capabilities": {}, **body}), NOW)


def test_what_it_told_is_told_again_as_it_was() -> None:
    capabilities = {"hostname": "scc-ws-01", "cpu_cores": 16, "has_gpu": True, "note": "caf\u00e9 \u2603"}
    body = {"tunnel_url": "http://w:8000", "vpn_ip": "10.42.0.5", "region": "eu", "runnable": ["llm-inference"]}
    told = taken_in(**body, capabilities=capabilities).told()
    assert {name: told[name] for name in body} == body
    assert told["capabilities"] == capabilities
    assert taken_in().told()["tunnel_url"] is None


def test_where_a_service_of_it_is() -> None:
    assert taken_in(tunnel_url="http://w:8000").url_of("llm-inference") == "http://w:8000"
    report = {"name": "redis", "service_url": "http://w:6379", "status": "starting"}
    worker = taken_in(tunnel_url="http://w:8000", services=[report])
    assert worker.url_of("redis") == "http://w:6379"
    assert worker.url_of("minio") is None


@pytest.mark.parametrize(("near", "hidden"), [(True, False), (False, True)])
def test_a_program_of_our_own_machine_is_believed_where_it_is(near: bool, hidden: bool) -> None:
    registry = Registry(heartbeat_interval=10.0, new_id=lambda: "w", dial_back=True)
    body = Registration(worker_id="w", tunnel_url="http://198.51.100.7:8000", capabilities={})
    assert registry.register(body, NOW, near=near).hidden is hidden
    # and who was near once is not for ever: the next registration says anew
    assert registry.register(body, NOW, near=False).hidden is hidden or near
