"""What edges, dashboards and scripts read: the shapes, sorted and complete."""

from typing import Any

from aiohttp.test_utils import TestClient

from coordinator.catalog import CATALOG


async def get(client: TestClient, path: str, expect: int = 200) -> Any:
    async with client.get(path) as response:
        assert response.status == expect
        return await response.json()


async def join(client: TestClient, worker_id: str, kind: str, **more: Any) -> None:
    body = {
        "worker_id": worker_id,
        "tunnel_url": f"http://{worker_id}:8000",
        "capabilities": {"worker_type": kind, "cpu_cores": 4},
        **more,
    }
    async with client.post("/api/worker/register", json=body) as response:
        assert response.status == 200


async def test_the_list_has_live_workers_only_and_the_catalogue(client: TestClient, clock: Any) -> None:
    await join(client, "new", "cpu", services=[])
    await join(client, "old", "cpu")
    clock.move(31)
    body = await get(client, "/api/coordinator/workers")
    assert [record["worker_id"] for record in body["workers"]] == ["old"]
    assert (body["count"], body["services"], body["settled"]) == (1, list(CATALOG), True)
    assert body["timestamp"] == "2026-01-02T03:04:36+00:00"
    (record,) = body["workers"]
    assert record["assigned_services"] == record["assigned_containers"] != []
    assert {
        "capabilities",
        "registered_at",
        "last_heartbeat",
        "tasks_completed",
        "current_load",
    } <= record.keys()
    assert (record["worker_type"], record["tier"], record["status"]) == ("cpu", 2, "healthy")


async def test_the_etag_stands_still_while_nothing_that_is_routed_by_changes(client: TestClient, clock: Any) -> None:
    await join(client, "w", "cpu")
    clock.move(31)
    async with client.get("/api/coordinator/workers") as response:
        etag = response.headers["ETag"]
    clock.move(5)
    beat = {"worker_id": "w", "current_load": 0.9}
    async with client.post("/api/worker/heartbeat", json=beat) as response:
        assert response.status == 200
    named = {"If-None-Match": f'"other", {etag}'}
    async with client.get("/api/coordinator/workers", headers=named) as response:
        assert (response.status, response.headers["ETag"], await response.read()) == (304, etag, b"")
    await join(client, "x", "cpu")
    async with client.get("/api/coordinator/workers", headers=named) as response:
        assert response.status == 200
        assert response.headers["ETag"] != etag


async def test_the_list_is_unsettled_until_everybody_has_had_time_to_come_back(client: TestClient, clock: Any) -> None:
    async with client.get("/api/coordinator/workers") as response:
        etag = response.headers["ETag"]
        assert (await response.json())["settled"] is False
    clock.move(30)
    async with client.get("/api/coordinator/workers", headers={"If-None-Match": etag}) as response:
        assert (await response.json())["settled"] is True


async def test_admin_workers_are_all_that_are_remembered(client: TestClient, clock: Any) -> None:
    await join(client, "a", "gpu")
    clock.move(100)
    await join(client, "b", "edge")
    body = await get(client, "/api/admin/workers")
    assert (body["total"], body["healthy"]) == (2, 1)
    assert [(r["worker_id"], r["status"], r["is_healthy"], r["age_seconds"]) for r in body["workers"]] == [
        ("a", "offline", False, 100.0),
        ("b", "healthy", True, 0.0),
    ]
    assert [record["worker_id"] for record in await get(client, "/api/admin/workers?format=list")] == [
        "a",
        "b",
    ]
    assert [r["worker_id"] for r in body["workers"] if r["tier"] == 4] == ["b"]  # the seed's jq


async def test_gaps_are_sorted_and_counted(client: TestClient) -> None:
    for name in ("e1", "e2", "e3"):
        await join(client, name, "edge")
    body = await get(client, "/api/admin/gaps")
    assert body["gaps"][0] == {
        "service": "llm-inference",
        "required_type": "gpu",
        "priority": 1,
        "current_workers": 0,
        "status": "critical",
        "port": 8105,
    }
    assert {row["service"]: row["status"] for row in body["gaps"][-3:]} == {
        "coordinator": "ok",
        "edge-proxy": "ok",
        "load-balancer": "ok",
    }
    order = [("critical", "warning", "ok").index(row["status"]) * 10 + row["priority"] for row in body["gaps"]]
    assert order == sorted(order)
    assert body["critical_gaps"] == body["gaps"][:11]
    assert body["warnings"] == []
    assert body["summary"] == {"total_services": 14, "covered": 3, "needs_attention": 11}


async def test_one_worker_is_a_warning(client: TestClient) -> None:
    await join(client, "e1", "edge")
    warnings = (await get(client, "/api/admin/gaps"))["warnings"]
    assert [(row["service"], row["current_workers"]) for row in warnings] == [
        ("coordinator", 1),
        ("edge-proxy", 1),
    ]


async def test_admin_services_serve_both_kinds_of_readers(client: TestClient) -> None:
    await join(client, "s", "storage")
    body = await get(client, "/api/admin/services")
    assert body["services"]["redis"] == {
        "name": "redis",
        "workers": ["s"],
        "worker_count": 1,
        "total_workers": 1,
        "healthy_workers": 1,
        "status": "warning",
    }
    assert body["total_services"] == len(body["services"]) == 14
    listed = (await get(client, "/api/admin/services?format=list"))["services"]
    assert [row["name"] for row in listed] == list(CATALOG)


async def test_discovery_gives_the_least_loaded_first_and_knows_short_names(client: TestClient) -> None:
    llm = [{"name": "llm-inference", "service_url": "http://g2:8105", "port": 8105}]
    await join(client, "g1", "gpu")
    await join(client, "g2", "gpu", services=llm)
    beat = {"worker_id": "g1", "current_load": 0.5}
    async with client.post("/api/worker/heartbeat", json=beat) as response:
        assert response.status == 200
    body = await get(client, "/api/services/discover/llm")
    assert (body["service"], body["count"]) == ("llm-inference", 2)
    assert [(row["worker_id"], row["load"]) for row in body["workers"]] == [("g2", 0.0), ("g1", 0.5)]
    assert [row["tunnel_url"] for row in body["workers"]] == ["http://g2:8105", "http://g1:8000"]
    assert body["recommended"] == body["workers"][0]
    assert {"vpn_ip", "capabilities", "last_heartbeat"} <= body["recommended"].keys()
    assert "neo4j" in (await get(client, "/api/services/discover/neo4j", expect=503))["detail"]


async def test_the_service_list_has_what_somebody_runs(client: TestClient) -> None:
    await join(client, "e", "edge")
    body = await get(client, "/api/services/list")
    assert body["services"]["edge-proxy"] == {
        "name": "edge-proxy",
        "healthy_workers": 1,
        "tier": 4,
        "requires": "edge",
    }
    assert body["total_available"] == len(body["services"]) == 2


async def test_health_ready_metrics(client: TestClient, clock: Any, state: Any) -> None:
    await join(client, "a", "edge")
    clock.move(100)
    await join(client, "b", "edge")
    health = await get(client, "/health")
    assert health["status"] == "healthy"
    assert health["workers"] == {"total": 2, "active": 1, "stale": 1}
    async with client.get("/healthz") as response:
        assert response.status == 200
    async with client.get("/metrics") as response:
        assert response.content_type == "text/plain"
        lines = (await response.text()).splitlines()
    assert {
        "coordinator_workers_total 2.0",
        "coordinator_workers_active 1.0",
        "coordinator_services_total 14.0",
        'coordinator_workers{status="offline"} 1.0',
        'coordinator_service_workers{service="edge-proxy"} 1.0',
        "coordinator_registrations_total 2.0",
    } <= set(lines)
    async with client.get("/readyz") as response:
        assert response.status == 200
    state.draining = True
    async with client.get("/readyz") as response:
        assert response.status == 503


async def test_silent_workers_are_forgotten(registry: Any, clock: Any, state: Any, monkeypatch: Any) -> None:
    import asyncio

    from aiohttp.test_utils import TestServer

    from coordinator.api import app

    monkeypatch.setattr(app, "SWEEP_INTERVAL", 0.01)
    async with TestClient(TestServer(app.build_app(state))) as client:
        await join(client, "w", "cpu", services=[])
        clock.move(600)
        async with asyncio.timeout(5):
            while registry.workers:
                await asyncio.sleep(0.01)
        assert (await get(client, "/api/admin/workers"))["total"] == 0


async def test_a_young_coordinator_says_who_is_gone(client: TestClient, clock: Any) -> None:
    """Edges remember workers from before its start: a good-bye must reach them all the same."""

    async def listed() -> tuple[list[str], str]:
        async with client.get("/api/coordinator/workers") as response:
            return (await response.json())["gone"], response.headers["ETag"]

    body = {"worker_id": "w", "tunnel_url": "http://w:8000", "capabilities": {}}
    await client.post("/api/worker/register", json=body)
    gone, etag = await listed()
    assert gone == []
    await client.delete("/api/worker/unregister/w")
    assert (await listed())[0] == ["w"]
    assert (await listed())[1] != etag
    await client.post("/api/worker/register", json=body)
    assert (await listed())[0] == []
    await client.delete("/api/worker/unregister/w")
    clock.move(30)
    await join(client, "x", "cpu")
    assert (await listed())[0] == []  # a full list needs no such word


async def test_an_empty_list_names_those_who_said_good_bye_and_not_those_who_fell_silent(
    client: TestClient, clock: Any
) -> None:
    await join(client, "silent", "cpu")
    await join(client, "polite", "cpu")
    async with client.delete("/api/worker/unregister/polite") as response:
        assert response.status == 200
    clock.move(100)
    body = await get(client, "/api/coordinator/workers")
    assert (body["workers"], body["settled"], body["gone"]) == ([], True, ["polite"])
    await join(client, "polite", "cpu")
    assert (await get(client, "/api/coordinator/workers"))["gone"] == []
