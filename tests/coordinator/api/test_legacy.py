"""What older routers, dashboards and agents send and read, in the words of each."""

from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from coordinator.api import jobs
from coordinator.api.jobs import Jobs
from coordinator.api.state import State


async def post(client: TestClient, path: str, body: Any, expect: int = 200) -> Any:
    async with client.post(path, json=body) as response:
        assert response.status == expect, await response.text()
        return await response.json()


async def get(client: TestClient, path: str, expect: int = 200) -> Any:
    async with client.get(path) as response:
        assert response.status == expect, await response.text()
        return await response.json()


async def join(client: TestClient, worker_id: str, kind: str, **more: Any) -> None:
    body = {"worker_id": worker_id, "tunnel_url": f"http://{worker_id}:8000", "capabilities": {"worker_type": kind}}
    await post(client, "/api/worker/register", {**body, **more})


EDGE = {
    "worker_id": "edge-1",
    "worker_type": "edge",
    "tunnel_url": "https://edge-1.example.org",
    "services": ["coordinator", "edge-proxy"],
    "capabilities": {"hostname": "edge-1", "has_edge": True},
    "role": "edge_coordinator",
}


async def test_an_edge_coordinator_joins_beats_and_is_listed(client: TestClient) -> None:
    answer = await post(client, "/api/edge/register", EDGE)
    assert (answer["status"], answer["role"], answer["total_coordinators"]) == ("registered", "edge_coordinator", 1)
    assert answer["heartbeat_interval"] == 60
    assert await post(client, "/api/edge/heartbeat", {"worker_id": "edge-1"}) == {"status": "ok"}
    (row,) = await get(client, "/api/admin/coordinators")  # an array, at the top
    assert (row["worker_id"], row["tunnel_url"], row["location"]) == ("edge-1", EDGE["tunnel_url"], "unknown")
    assert row["last_seen"] == 1767323045000
    await post(client, "/api/edge/register", {**EDGE, "tunnel_url": None, "url": "https://e.example.org"})
    await post(client, "/api/edge/register", {**EDGE, "tunnel_url": None}, 400)
    missing = await post(client, "/api/edge/heartbeat", {"worker_id": "ghost"}, 404)
    assert missing["error"] == missing["detail"] == "Coordinator not found"


async def test_an_edge_needs_the_join_secret(client: TestClient, state: State) -> None:
    state.api_key = "s3cret"
    await post(client, "/api/edge/register", EDGE, 403)
    await post(client, "/api/edge/heartbeat", {"worker_id": "edge-1"}, 403)


async def test_statistics_for_both_dashboards(client: TestClient) -> None:
    await join(client, "g", "gpu")
    await join(client, "c", "cpu")
    await post(client, "/api/worker/heartbeat", {"worker_id": "c", "current_load": 0.5})
    stats = await get(client, "/api/admin/stats")
    assert (stats["total_workers"], stats["healthy_workers"], stats["offline_workers"]) == (2, 2, 0)
    tiers = {"gpu_workers": 1, "service_workers": 1, "data_workers": 0, "edge_workers": 0}
    assert stats["workers_by_tier"] == tiers
    assert stats["by_tier"] == {"1": 1, "2": 1, "3": 0, "4": 0}
    assert stats["average_load_by_tier"]["service_workers"] == 0.5
    health = await get(client, "/api/admin/health")
    assert health["overall_status"] == "healthy"
    assert health["workers_by_status"] == {"healthy": 2, "degraded": 0, "offline": 0}
    assert health["has_minimum_workers"] == {"gpu_workers": True, "service_workers": True}


async def test_the_graph_in_both_languages(client: TestClient) -> None:
    await join(client, "g", "gpu", region="eu-west")
    graph = await get(client, "/api/dht/topology")
    hub, worker = graph["nodes"]
    assert (worker["id"], worker["node_id"], worker["type"], worker["node_type"]) == ("g", "g", "gpu", "gpu")
    assert graph["edges"] == [{"from": "g", "to": hub["id"], "type": "heartbeat"}]
    assert graph["connections"] == [{"source_id": "g", "target_id": hub["id"]}]
    seeds = await get(client, "/api/dht/bootstrap")
    assert seeds["seeds"][0]["tunnel_url"] == "http://g:8000"
    assert (seeds["seed_count"], seeds["ttl"], seeds["seeds"][0]["location"]) == (1, 300, "eu-west")
    stats = await get(client, "/api/dht/stats")
    assert (stats["dht_enabled"], stats["node_count"], stats["local_workers"]) == (False, 2, 1)


async def test_what_an_edge_sees_is_the_load(client: TestClient) -> None:
    await join(client, "g", "gpu")
    body = {"workers": [{"worker_id": "g", "load": 0.75}, {"worker_id": "ghost", "load": 1.0}]}
    assert (await post(client, "/v1/observations", body))["taken"] == 1
    assert (await get(client, "/v1/workers/g"))["current_load"] == 0.75
    await post(client, "/v1/observations", {"workers": [{"worker_id": "g", "load": -1}]}, 422)


async def test_a_worker_that_an_edge_leaves_out_is_asked_at_once(client: TestClient, state: State) -> None:
    await join(client, "g", "gpu")
    worker = state.registry.workers["g"]
    worker.reached = True
    seen = {"service": "llm-inference", "requests": 9, "failures": 3, "latency": 0.5}
    report = {"edge_id": "edge-1", "seconds": 5.0, "workers": [{**seen, "url": "http://other:8000", "left_out": True}]}
    answer = await post(client, "/api/edge/report", report)
    assert answer == {"status": "ok", "heartbeat_interval": 5.0}
    assert worker.suspicion is None
    for left_out in (False, True):
        report["workers"] = [{**seen, "url": "http://g:8000", "left_out": left_out}]
        await post(client, "/v1/edges/report", report)
        assert (worker.suspicion is not None) is left_out
    assert [probe.worker_id for probe in state.registry.take_probes(5)] == ["g"]
    await post(client, "/api/edge/report", {"edge_id": "edge-1", "seconds": -1, "workers": []}, 422)


async def test_where_a_service_is(client: TestClient) -> None:
    await get(client, "/api/worker/find/llm", 503)
    await join(client, "g", "gpu")
    assert (await get(client, "/api/worker/find/llm"))["worker_url"] == "http://g:8000"


async def test_a_job_is_broadcast_fetched_once_and_done(client: TestClient) -> None:
    job = {"job_type": "train", "job_data": {"epochs": 3}, "required_capability": "llm-inference"}
    await post(client, "/api/coordinator/broadcast-job", job, 503)
    await join(client, "g", "gpu")
    await join(client, "c", "cpu")
    answer = await post(client, "/api/coordinator/broadcast-job", job)
    assert (answer["broadcasted_to"], answer["successful"]) == (1, 1)
    assert answer["workers"][0]["status"] == "queued"
    assert (await get(client, "/api/worker/tasks?worker_id=c"))["tasks"] == []
    (task,) = (await get(client, "/api/worker/tasks?worker_id=g"))["tasks"]
    assert (task["job_type"], task["job_data"]) == ("train", {"epochs": 3})
    assert (await get(client, "/api/worker/tasks?worker_id=g"))["tasks"] == []
    done = {"worker_id": "g", "task_id": task["task_id"], "result": {"loss": 0.1}}
    assert await post(client, "/api/worker/task-complete", done) == {"status": "ok"}
    assert (await get(client, "/api/admin/stats"))["total_tasks_completed"] == 1


def test_jobs_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Jobs()
    assert [queue.queue("w", "t", {}, 0.0) for _ in range(jobs.MOST_OF_WORKER + 1)][-2:] == [True, False]
    assert queue.take("w", jobs.KEPT + 1) == []
    monkeypatch.setattr(jobs, "MOST", 1)
    assert queue.queue("a", "t", {}, 5000.0)
    assert not queue.queue("b", "t", {}, 5000.0)


@pytest.mark.parametrize("order", ["drain", "cordon", "resume", "revoke"])
async def test_only_operators_give_orders(client: TestClient, state: State, order: str) -> None:
    await join(client, "w", "gpu")
    state.admin_key, state.api_key = "boss", "s3cret"
    path = f"/v1/workers/w/{order}"
    for headers, status in (({}, 403), ({"X-API-Key": "s3cret"}, 403), ({"X-API-Key": "boss"}, 200)):
        async with client.post(path, headers=headers) as response:
            assert response.status == status, await response.text()


async def test_orders_and_what_they_do(client: TestClient, state: State) -> None:
    await join(client, "w", "gpu")
    await post(client, "/v1/workers/ghost/drain", {}, 404)
    assert (await post(client, "/v1/workers/w/cordon", {}))["cordoned"] is True
    assert (await post(client, "/v1/workers/w/drain", {}))["draining"] is True
    assert (await post(client, "/v1/workers/w/resume", {}))["cordoned"] is False
    assert (await get(client, "/v1/workers/w"))["worker_id"] == "w"
    assert (await post(client, "/v1/workers/w/revoke", {}))["revoked"] is False  # it has no key
    await get(client, "/v1/workers/w", 404)
    async with client.post("/v1/workers/w/drain", headers={"X-Forwarded-For": "203.0.113.9"}) as response:
        assert response.status == 403
