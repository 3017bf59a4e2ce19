"""Who may write, what every answer carries, how errors look."""

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from coordinator.api.app import build_app
from coordinator.api.calls import is_loopback
from coordinator.api.state import State

BODY = {"worker_id": "w", "tunnel_url": "http://w:8000", "capabilities": {}}


async def register(client: TestClient, headers: dict[str, str]) -> int:
    async with client.post("/api/worker/register", json=BODY, headers=headers) as response:
        return response.status


async def test_with_a_key_only_who_has_it_may_write(state: State) -> None:
    state.api_key = "s3cret"
    async with TestClient(TestServer(build_app(state))) as client:
        for good in (
            {"X-API-Key": "s3cret"},
            {"api-key": "s3cret"},
            {"Authorization": "Bearer s3cret"},
            {"authorization": "bearer s3cret"},
        ):
            assert await register(client, good) == 200
        for bad in (
            {},
            {"X-API-Key": ""},
            {"X-API-Key": "s3cre"},
            {"X-API-Key": "s3cretX"},
            {"X-API-Key": "caf\u00e9"},
            {"Authorization": "Basic s3cret"},
            {"Authorization": "Bearer"},
        ):
            assert await register(client, bad) == 403
        async with client.delete("/api/worker/unregister/w") as response:
            assert response.status == 403
        async with client.get("/api/admin/gaps") as response:
            assert response.status == 200  # reading is open, as in the seed


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "Via", "Origin"])
async def test_without_a_key_what_comes_through_a_proxy_or_a_browser_may_not_write(
    client: TestClient, name: str
) -> None:
    assert await register(client, {}) == 200
    async with client.post("/api/worker/register", json=BODY, headers={name: "127.0.0.1"}) as response:
        assert response.status == 403
        assert "API_KEY" in (await response.json())["detail"]


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.168.1.5", False),
        ("::ffff:10.0.0.1", False),
        ("2001:db8::1", False),
        ("", False),
    ],
)
def test_which_peers_are_loopback(peer: str, expected: bool) -> None:
    assert is_loopback(peer) is expected


async def test_an_open_coordinator_takes_anybody(client: TestClient, state: State) -> None:
    state.open = True
    assert await register(client, {"X-Forwarded-For": "203.0.113.9"}) == 200


@pytest.mark.parametrize(
    "url", ["http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1", "http://[::ffff:127.0.0.1]"]
)
async def test_another_machine_cannot_name_our_loopback(client: TestClient, state: State, url: str) -> None:
    state.open = True
    for body in (
        {"capabilities": {}, "tunnel_url": url},
        {"capabilities": {}, "services": [{"name": "x", "service_url": url}]},
    ):
        headers = {"X-Forwarded-For": "203.0.113.9"}
        async with client.post("/api/worker/register", json=body, headers=headers) as response:
            assert response.status == 422
        async with client.post("/api/worker/register", json=body) as response:
            assert response.status == 200


async def test_every_answer_has_a_request_id(client: TestClient) -> None:
    async with client.get("/health", headers={"X-Request-ID": "abc-1"}) as response:
        assert response.headers["X-Request-ID"] == "abc-1"
    async with client.get("/nothing", headers={"X-Request-ID": "a b\tc"}) as response:
        assert len(response.headers["X-Request-ID"]) == 32


async def test_errors_of_routing_are_problems(client: TestClient) -> None:
    async with client.get("/nothing/here") as response:
        assert (response.status, response.content_type) == (404, "application/problem+json")
        assert await response.json() == {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "there is nothing at this path",
        }
    async with client.post("/api/admin/gaps") as response:
        assert response.status == 405
        assert "GET" in response.headers["Allow"]


async def test_an_error_of_ours_tells_the_client_nothing(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, state: Any
) -> None:
    async def broken(request: web.Request) -> web.Response:
        raise RuntimeError("the secret is 42")

    app = build_app(state)
    app.router.add_get("/broken", broken)
    async with TestClient(TestServer(app)) as other, other.get("/broken") as response:
        assert response.status == 500
        assert "42" not in await response.text()
