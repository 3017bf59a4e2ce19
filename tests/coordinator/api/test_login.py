"""Operators with a name and a password: what they get, what it is good for, how long, and how often one may guess."""

from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from coordinator.api.state import State
from coordinator.identity.logins import LIFETIME, Logins
from tests.coordinator.conftest import Clock


async def login(client: TestClient, password: str, expect: int = 200) -> Any:
    async with client.post("/api/auth/login", json={"username": "admin", "password": password}) as response:
        assert response.status == expect, await response.text()
        return await response.json()


async def test_the_token_is_good_where_the_operators_key_is(client: TestClient, state: State, clock: Clock) -> None:
    state.admin_key = "boss"
    await client.post("/api/worker/register", json={"worker_id": "w", "capabilities": {}})
    answer = await login(client, "boss")
    assert (answer["token_type"], answer["user"]["username"]) == ("bearer", "admin")
    bearer = {"Authorization": f"Bearer {answer['access_token']}"}
    async with client.get("/api/auth/verify", headers=bearer) as response:
        assert (await response.json())["valid"] is True
    async with client.post("/api/auth/verify", json={"token": answer["access_token"]}) as response:
        assert (await response.json())["username"] == "admin"
    for headers, status in ((bearer, 200), ({"Authorization": "Bearer a.b.c"}, 403), ({}, 403)):
        async with client.post("/v1/workers/w/cordon", headers=headers) as response:
            assert response.status == status
    clock.move(LIFETIME + 1)
    async with client.post("/v1/workers/w/resume", headers=bearer) as response:
        assert response.status == 403
    async with client.get("/api/auth/verify", headers=bearer) as response:
        assert (response.status, (await response.json())["valid"]) == (401, False)


async def test_without_an_operators_key_nobody_logs_in(client: TestClient, state: State) -> None:
    for password in ("", "None", "admin123"):
        assert (await login(client, password, 401))["detail"] == "Invalid credentials"
    state.admin_key = "boss"
    await login(client, "admin123", 401)
    async with client.post("/api/auth/login", json={"username": "admin"}) as response:
        assert "password" in (await response.json())["detail"]
    assert state.counts["failed_logins"] == 4


async def test_who_guesses_waits(client: TestClient, state: State) -> None:
    state.admin_key = "boss"
    for _ in range(state.limits.of_guesser.burst):
        await login(client, "guess", 401)
    await login(client, "boss", 429)


@pytest.mark.parametrize(
    "forge", [lambda t: t[:-1], lambda t: t + "A", lambda _: "é" * 9, lambda _: "", lambda _: ".."]
)
def test_a_token_that_is_not_ours(forge: Any) -> None:
    logins = Logins()
    token = logins.issue("admin", 0.0)
    assert logins.whose(token, 1.0) == "admin"
    assert logins.whose(forge(token), 1.0) is None
    assert Logins().whose(token, 1.0) is None
