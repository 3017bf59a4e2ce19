"""Pages of other sites read the coordinator only where the operator says so; what they ask is not of this machine."""

import pytest
from aiohttp.test_utils import TestClient

from coordinator.api.state import State

APP = "https://app.example.org"
ASKS = {"Origin": APP, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}


async def test_not_unless_told(client: TestClient) -> None:
    async with client.get("/api/admin/workers", headers={"Origin": APP}) as response:
        assert "Access-Control-Allow-Origin" not in response.headers
    async with client.options("/api/admin/workers", headers=ASKS) as response:
        assert response.status == 405


@pytest.mark.parametrize(("allowed", "told"), [(APP, APP), ("*", "*")])
async def test_an_origin_that_may(client: TestClient, state: State, allowed: str, told: str) -> None:
    state.cors_origins = frozenset({allowed})
    async with client.options("/api/admin/workers", headers=ASKS) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == told
        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Credentials" not in response.headers
    for path, more in (("/api/admin/workers", {}), ("/nothing", {}), ("/v1/events", {"Accept": "text/event-stream"})):
        async with client.get(path, headers={"Origin": APP, **more}) as response:
            assert response.headers["Access-Control-Allow-Origin"] == told  # errors and streams too
            assert response.headers["Vary"] == "Origin"


async def test_another_origin_may_not(client: TestClient, state: State) -> None:
    state.cors_origins = frozenset({APP})
    for origin in ("https://evil.example", APP + ".evil.example", "null", ""):
        async with client.get("/api/admin/workers", headers={"Origin": origin}) as response:
            assert "Access-Control-Allow-Origin" not in response.headers
