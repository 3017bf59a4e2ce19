"""The agents of three generations against a real coordinator, with the HTTP library that they use, their requests
unchanged: no key where they know of none, no signature, a new connection for each question."""

import asyncio
from typing import Any

import requests

from tests.coordinator.test_serve import LOOPBACK, Serving, serving

CAPABILITIES = {
    "hostname": "scc-ws-01",
    "cpu_cores": 16,
    "has_gpu": True,
    "gpu_type": "NVIDIA GeForce RTX 3090",
    "gpu_memory": "24576 MiB",
    "worker_type": "gpu",
    "low_latency": True,
    "latency_ms": 2.18,
    "has_edge": True,
    "ram": "62GB",
}


def universal_agent(url: str) -> None:
    """Its run: health, register, heartbeats, unregister; what it reads of each answer."""
    assert requests.get(f"{url}/health", timeout=5).status_code == 200
    body = {"worker_id": "w1", "tunnel_url": "http://w1:8000", "vpn_ip": None, "capabilities": CAPABILITIES}
    response = requests.post(f"{url}/api/worker/register", json=body, timeout=10)
    response.raise_for_status()
    answer = response.json()
    assert answer["worker_id"] == "w1"
    assert [config["name"] for config in answer["service_configs"]] == answer["assigned_services"] == ["llm-inference"]
    assert isinstance(answer["service_configs"][0]["port"], int)
    beat = {"worker_id": "w1", "status": "healthy", "current_load": 0.0}
    for _ in range(2):
        assert requests.post(f"{url}/api/worker/heartbeat", json=beat, timeout=5).json()["status"] == "ok"
    found = requests.get(f"{url}/api/services/discover/llm-inference", timeout=5).json()["workers"]
    assert {"worker_id", "tunnel_url", "vpn_ip", "load"} <= found[0].keys()
    assert requests.delete(f"{url}/api/worker/unregister/w1", timeout=5).status_code == 200
    assert requests.post(f"{url}/api/worker/heartbeat", json=beat, timeout=5).status_code == 404


def first_agent(url: str) -> None:
    """No id, no URL; it indexes the containers."""
    capabilities = {"cpu_cores": 8, "ram": "62.6GB", "storage": "915.8GB", "gpu_type": "T4", "gpu_memory": "16GB"}
    answer = requests.post(f"{url}/api/worker/register", json={"capabilities": capabilities}, timeout=10).json()
    assert answer["tier"] == 1
    assert answer["heartbeat_interval"] > 0
    assert [(c["name"], c["port"]) for c in answer["assigned_containers"]]
    beat = {"worker_id": answer["worker_id"], "status": "healthy", "available_memory": "12.3GB", "current_load": 0.1}
    assert requests.post(f"{url}/api/worker/heartbeat", json=beat, timeout=5).ok


def storage_agent(url: str) -> None:
    container = {
        "name": "chromadb",
        "service_url": "http://h:8000",
        "port": 8000,
        "health_endpoint": "/api/v1/heartbeat",
    }
    body = {
        "worker_id": "chroma-1",
        "capabilities": {"cpu_cores": 4, "has_gpu": False, "has_storage": True, "worker_type": "storage"},
        "containers": [container],
        "tunnel_url": None,
    }
    assert requests.post(f"{url}/api/worker/register", json=body, timeout=10).json()["tier"] == 3
    beat = {"worker_id": "chroma-1", "status": "online", "current_load": 0.0, "services_status": {}}
    assert requests.post(f"{url}/api/worker/heartbeat", json=beat, timeout=5).ok


def edge_agent(url: str) -> None:
    body = {
        "worker_id": "edge-1",
        "worker_type": "edge",
        "tunnel_url": "https://edge-1.example.org",
        "services": ["coordinator", "edge-proxy"],
        "capabilities": {"hostname": "edge-1", "has_edge": True},
        "role": "edge_coordinator",
    }
    assert requests.post(f"{url}/api/edge/register", json=body, timeout=10).json()["status"] == "registered"
    assert requests.post(f"{url}/api/edge/heartbeat", json={"worker_id": "edge-1"}, timeout=5).status_code == 200
    assert [row["worker_id"] for row in requests.get(f"{url}/api/admin/coordinators", timeout=5).json()] == ["edge-1"]


def dashboards(url: str) -> None:
    """Everything that some page polls answers, in JSON."""
    for path in (
        *(f"admin/{what}" for what in ("workers", "services", "gaps", "stats", "health", "coordinators")),
        *(f"dht/{what}" for what in ("topology", "bootstrap", "stats")),
        *("coordinator/workers", "services/list", "worker/tasks?worker_id=chroma-1"),
    ):
        response = requests.get(f"{url}/api/{path}", timeout=5)
        assert response.ok, path
        assert response.json() is not None
    listed: Any = requests.get(f"{url}/api/admin/workers?format=list", timeout=5).json()
    assert {row["worker_id"] for row in listed} >= {"chroma-1", "edge-1"}
    assert all(row["signed"] is False for row in listed)  # marked


def one_after_the_other(coordinator: Serving) -> None:
    for part in (universal_agent, first_agent, storage_agent, edge_agent, dashboards):
        part(coordinator.url)


async def test_they_run_unchanged() -> None:
    async with serving(**LOOPBACK) as coordinator:
        await asyncio.to_thread(one_after_the_other, coordinator)
