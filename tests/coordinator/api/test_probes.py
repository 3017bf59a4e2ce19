"""A peer's question whether we reach a worker."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from coordinator import prober as module
from coordinator.api.app import build_app
from coordinator.api.probes import PROBER
from coordinator.api.state import State
from coordinator.prober import Prober


@pytest.fixture
async def probing(state: State, clock: Any) -> AsyncIterator[TestClient[Any, Any]]:
    state.api_key = "s3cret"
    app = build_app(state)
    async with Prober(state.registry, clock) as prober:
        app[PROBER] = prober
        async with TestClient(TestServer(app), headers={"X-API-Key": "s3cret"}) as client:
            yield client


async def asked(client: TestClient[Any, Any], url: str, **headers: str) -> tuple[int, Any]:
    async with client.post("/v1/probe", json={"url": url}, headers=headers) as response:
        return response.status, await response.json()


async def test_a_peer_learns_what_we_see(probing: TestClient[Any, Any]) -> None:
    async with TestServer(web.Application()) as server:
        assert await asked(probing, f"http://127.0.0.1:{server.port}/health") == (200, {"verdict": "alive"})
        port = server.port
    assert await asked(probing, f"http://127.0.0.1:{port}/health") == (200, {"verdict": "refused"})


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "ftp://h/", "http://u:p@h/", "http://[::]/", "h" * 3000, "http://h/#x"]
)
async def test_what_no_worker_can_be_is_not_asked(probing: TestClient[Any, Any], url: str) -> None:
    status, problem = await asked(probing, url)
    assert (status, problem["detail"].partition(":")[0]) == (422, "url")


async def test_only_a_peer_may_ask_and_not_for_our_own_ports(probing: TestClient[Any, Any]) -> None:
    assert (await asked(probing, "http://h/", **{"X-API-Key": "wrong"}))[0] == 403
    assert (await asked(probing, "http://127.0.0.1:8080/", **{"X-Forwarded-For": "203.0.113.9"}))[0] == 422


async def test_too_many_questions_and_no_prober(
    probing: TestClient[Any, Any], client: TestClient[Any, Any], monkeypatch: pytest.MonkeyPatch, state: State
) -> None:
    monkeypatch.setattr(module, "MOST_FOR_PEERS", 0)
    assert (await asked(probing, "http://127.0.0.1:1/"))[0] == 503
    assert (await asked(client, "http://127.0.0.1:1/", **{"X-API-Key": "s3cret"}))[0] == 503
