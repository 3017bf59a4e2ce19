"""Every generation of agents, with the bodies that it sends and the fields that it reads."""

from typing import Any

import pytest
from aiohttp.test_utils import TestClient

GPU = {
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


async def post(client: TestClient, path: str, body: Any, expect: int = 200) -> Any:
    async with client.post(path, json=body) as response:
        assert response.status == expect, await response.text()
        return await response.json()


async def test_the_universal_worker(client: TestClient) -> None:
    body = {"worker_id": "w1", "tunnel_url": "http://w1:8000", "vpn_ip": None, "capabilities": GPU}
    answer = await post(client, "/api/worker/register", body)
    assert answer == {
        "status": "registered",
        "worker_id": "w1",
        "worker_type": "gpu",
        "tier": 1,
        "assigned_services": ["llm-inference"],
        "assigned_containers": [{"name": "llm-inference", "image": "", "port": 8105, "env": {}}],
        "service_configs": [{"name": "llm-inference", "port": 8105, "priority": 1}],
        "heartbeat_interval": 10.0,
        "incarnation": 1767323045,
        "message": "Worker registered with 1 service(s)",
    }
    beat = {"worker_id": "w1", "status": "healthy", "current_load": 0.0}
    assert await post(client, "/api/worker/heartbeat", beat) == {
        "status": "ok",
        "assigned_services": ["llm-inference"],
        "service_configs": [{"name": "llm-inference", "port": 8105, "priority": 1}],
        "heartbeat_interval": 10.0,
    }
    async with client.delete("/api/worker/unregister/w1") as response:
        assert await response.json() == {"status": "ok", "message": "Worker unregistered"}
    async with client.delete("/api/worker/unregister/w1") as response:
        assert (response.status, (await response.json())["detail"]) == (404, "Worker not found")


async def test_the_first_worker_agent_sends_no_id_and_no_url(client: TestClient) -> None:
    body = {
        "capabilities": {
            "cpu_cores": 8,
            "ram": "62.6GB",
            "storage": "915.8GB",
            "gpu_type": "T4",
            "gpu_driver": "1",
        }
    }
    answer = await post(client, "/api/worker/register", body)
    assert answer["tier"] == 1
    assert answer["heartbeat_interval"] > 0
    assert {"name", "image", "port", "env"} <= answer["assigned_containers"][0].keys()
    beat = {"worker_id": answer["worker_id"], "status": "healthy", "available_memory": "12.3GB"}
    assert (await post(client, "/api/worker/heartbeat", beat))["status"] == "ok"


async def test_the_cpu_worker_says_what_is_installed_not_what_runs(client: TestClient) -> None:
    body = {
        "capabilities": {
            "cpu_cores": 4,
            "containerized": True,
            "worker_type": "cpu",
            "ip_address": "172.18.0.4",
        },
        "services": [{"name": "ner", "container": "ner", "port": 8108, "health": "/health", "version": "1"}],
        "ip_address": "172.18.0.4",
        "tunnel_url": None,
        "wants_heartbeat_leadership": True,
    }
    answer = await post(client, "/api/worker/register", body)
    assert (answer["tier"], answer["worker_type"]) == (2, "cpu")
    async with client.get("/api/coordinator/workers") as response:
        (record,) = (await response.json())["workers"]
    assert record["services"] is None


async def test_the_archived_gpu_worker_and_its_heartbeat(client: TestClient) -> None:
    body = {
        "capabilities": {"has_gpu": True, "gpu_utilization": "12.0%"},
        "containers": [{"name": "vllm", "service_url": "http://h:8105", "port": 8105, "health_endpoint": "/health"}],
        "ip_address": "10.0.0.9",
        "tunnel_url": "https://abc.trycloudflare.com",
    }
    worker_id = (await post(client, "/api/worker/register", body))["worker_id"]
    beat = {
        "worker_id": worker_id,
        "loaded_models": ["llama"],
        "active_requests": 3,
        "gpu_utilization": 88.5,
        "gpu_memory_used": "123MB",
        "gpu_temperature": "55°C",
        "current_load": 0.7,
    }
    await post(client, "/api/worker/heartbeat", beat)
    async with client.get("/api/coordinator/workers") as response:
        (record,) = (await response.json())["workers"]
    assert (record["loaded_models"], record["active_requests"]) == (["llama"], 3)
    assert (record["gpu_utilization"], record["current_load"]) == (88.5, 0.7)


async def test_the_archived_chromadb_worker(client: TestClient) -> None:
    body = {
        "worker_id": "chroma-1",
        "capabilities": {
            "cpu_cores": 4,
            "ram_gb": 16,
            "has_gpu": False,
            "has_storage": True,
            "storage_type": "vector",
            "storage_services": ["chromadb"],
            "worker_type": "storage",
        },
        "containers": [
            {
                "name": "chromadb",
                "service_url": "http://h:8000",
                "port": 8000,
                "health_endpoint": "/api/v1/heartbeat",
                "version": "0.4",
                "capabilities": ["vector"],
            }
        ],
        "tunnel_url": None,
    }
    assert (await post(client, "/api/worker/register", body))["tier"] == 3
    beat = {"worker_id": "chroma-1", "status": "online", "current_load": 0.0, "services_status": {}}
    await post(client, "/api/worker/heartbeat", beat)
    async with client.get("/api/admin/workers") as response:
        (record,) = (await response.json())["workers"]
    assert record["status"] == "healthy"
    assert record["services"][0]["service_url"] == "http://h:8000"


async def test_our_agent_reports_what_it_runs(client: TestClient, clock: Any) -> None:
    report = {"name": "edge-proxy", "service_url": "http://h:8787/", "port": 8787, "status": "starting"}
    body = {
        "worker_id": "e1",
        "tunnel_url": None,
        "capabilities": {"worker_type": "edge"},
        "services": [report],
        "runnable": ["edge-proxy", "load-balancer"],
        "region": "eu",
    }
    answer = await post(client, "/api/worker/register", body)
    assert answer["assigned_services"] == ["edge-proxy", "load-balancer"]
    await post(client, "/api/worker/heartbeat", {"worker_id": "e1", "services": [{**report, "status": "healthy"}]})
    async with client.get("/api/admin/gaps") as response:
        rows = {row["service"]: row for row in (await response.json())["gaps"]}
    assert rows["edge-proxy"]["current_workers"] == 1
    assert rows["load-balancer"]["current_workers"] == 0  # told, but it does not run it yet


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("register", {"worker_id": "w"}, 422, "capabilities: Field required"),
        ("register", {"capabilities": {}, "worker_id": "../etc"}, 422, "worker_id"),
        ("register", {"capabilities": {}, "tunnel_url": "ftp://x"}, 422, "http:// or https://"),
        (
            "register",
            {"capabilities": {}, "tunnel_url": "http://169.254.169.254/"},
            422,
            "no worker can be reached",
        ),
        ("register", {"capabilities": {"x": "y" * 20_000}}, 422, "longer than"),
        ("register", {"capabilities": {str(n): n for n in range(65)}}, 422, "more than 64 keys"),
        ("register", [], 422, ""),
        ("heartbeat", {"worker_id": "w", "current_load": "much"}, 422, "current_load"),
        ("heartbeat", {"status": "healthy"}, 422, "worker_id: Field required"),
        ("heartbeat", {"worker_id": "ghost"}, 404, "Worker not found"),
        (
            "heartbeat",
            {"worker_id": "w", "services": [{"service_url": "http://h:1", "name": ""}]},
            422,
            "services.0.name",
        ),
    ],
)
async def test_bad_bodies_get_a_clear_error(client: TestClient, path: str, body: Any, status: int, words: str) -> None:
    async with client.post(f"/api/worker/{path}", json=body) as response:
        problem = await response.json()
        assert (response.status, problem["status"]) == (status, status)
        assert response.content_type == "application/problem+json"
        assert words in problem["detail"]


async def test_no_json_no_type_and_too_much(client: TestClient) -> None:
    path = "/api/worker/register"
    json = {"Content-Type": "application/json"}
    for data, headers, status in [
        (b"{", json, 400),
        (b"\xff", json, 400),
        (b"[" * 5000, json, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b" " * (256 * 1024 + 1), json, 413),
    ]:
        async with client.post(path, data=data, headers=headers) as response:
            assert response.status == status
            assert (await response.json())["detail"]


async def test_a_full_registry_says_when_to_try_again(client: TestClient, registry: Any) -> None:
    registry.max_workers = 0
    async with client.post("/api/worker/register", json={"capabilities": {}}) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "60")
