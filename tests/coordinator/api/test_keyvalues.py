"""What machines leave for each other: as the mesh of an old agent does it, and with every bound."""

from typing import Any

from aiohttp.test_utils import TestClient

from coordinator import keyvalues
from coordinator.api.state import State

BOOTSTRAP = {"ca_crt": "-----BEGIN", "lighthouse_vpn_ip": "10.42.0.1", "next_worker_ip": 2, "status": "initializing"}


async def put(client: TestClient, key: str, value: Any, expect: int, headers: Any = None, **more: Any) -> Any:
    async with client.put(f"/api/kv/{key}", json={"value": value, **more}, headers=headers) as response:
        assert response.status == expect, await response.text()
        return await response.json()


async def test_the_mesh_of_an_old_agent(client: TestClient) -> None:
    async with client.get("/api/kv/vpn_bootstrap") as response:
        assert (response.status, (await response.json())["error"]) == (404, "Key not found")
    await put(client, "vpn_bootstrap", BOOTSTRAP, 201, if_not_exists=True)
    assert (await put(client, "vpn_bootstrap", {}, 409, if_not_exists=True))["error"] == "Key already exists"
    await put(client, "vpn_bootstrap", {**BOOTSTRAP, "status": "ready"}, 200)
    await put(client, "entry_points", ["203.0.113.1:8443"], 201, if_not_exists=False)
    async with client.get("/api/kv/vpn_bootstrap") as response:
        assert await response.json() == {**BOOTSTRAP, "status": "ready"}  # as it is, in no envelope


async def test_two_who_change_one_value_do_not_undo_each_other(client: TestClient) -> None:
    await put(client, "next", 2, 201)
    async with client.get("/api/kv/next") as response:
        read = response.headers["ETag"]
    await put(client, "next", 3, 200, {"If-Match": read})
    await put(client, "next", 3, 412, {"If-Match": read})
    await put(client, "next", 4, 422, {"If-Match": "*"})


async def test_who_may(client: TestClient, state: State) -> None:
    state.api_key = "s3cret"
    await put(client, "k", 1, 403)
    await put(client, "k", 1, 201, {"X-API-Key": "s3cret"})
    async with client.get("/api/kv/k") as response:
        assert response.status == 403
    state.admin_key = "boss"
    for key, status in (("s3cret", 403), ("boss", 200), ("boss", 404)):
        async with client.delete("/api/kv/k", headers={"X-API-Key": key}) as response:
            assert response.status == status


async def test_bounds(client: TestClient, state: State) -> None:
    await put(client, "k", "x" * keyvalues.MAX_VALUE, 413)
    await put(client, "k" * 129, 1, 422)
    await put(client, "a%20b", 1, 422)
    for number in range(keyvalues.MOST):
        state.keys.put(f"k{number}", number)
    await put(client, "one-more", 1, 507)
    await put(client, "k0", 1, 200)
    while True:  # and at some point it is too often
        async with client.get("/api/kv/k0") as response:
            if response.status == 429:
                break
            assert response.status == 200
