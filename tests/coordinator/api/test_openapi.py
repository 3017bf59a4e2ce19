"""The document is whole, and schemathesis finds nothing that contradicts it: no 500, no answer of another shape, no
body that upsets a handler."""

import asyncio
import threading
from collections.abc import Iterator

import orjson
import pytest
import schemathesis
from aiohttp import web
from aiohttp.test_utils import TestClient
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    ensure_resource_availability,
    ignored_auth,
    negative_data_rejection,
    positive_data_acceptance,
    use_after_free,
)

from coordinator.api.app import build_app
from coordinator.api.limits import Limits, Rate
from coordinator.api.openapi import document, undescribed
from coordinator.api.state import State, new_worker_id
from coordinator.registry import Registry

# what we take leniently from old agents (null for a default, wrong values of what only people read) is no error
LENIENT = [negative_data_rejection]
# operations over loopback need no key, and one worker's id is another's: what is 404 now may be there later
STATELESS = [ignored_auth, use_after_free, ensure_resource_availability]

# what a URL may be is more than a JSON schema can say
OF_URLS = [
    "/api/edge/register",
    "/api/worker/register",
    "/v1/register",
    "/api/worker/heartbeat",
    "/v1/heartbeat",
    "/v1/probe",
]


def test_every_route_is_described(state: State) -> None:
    assert undescribed(build_app(state)) == []


async def test_the_document(client: TestClient) -> None:
    async with client.get("/openapi.json") as response:
        document = await response.json()
    assert document["openapi"] == "3.1.0"
    assert {"/api/worker/register", "/v1/events", "/v1/workers/{worker_id}/drain", "/metrics"} <= document[
        "paths"
    ].keys()
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))


def _serve(loop: asyncio.AbstractEventLoop) -> tuple[web.AppRunner, str]:
    much = Rate(1e6, 10**6)
    registry = Registry(heartbeat_interval=10.0, new_id=new_worker_id)
    runner = web.AppRunner(build_app(State(registry, limits=Limits(much, much, much))), access_log=None)

    async def start() -> str:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    return runner, asyncio.run_coroutine_threadsafe(start(), loop).result(10)


@pytest.fixture(scope="module")
def coordinator_url() -> Iterator[str]:
    """In a thread, since schemathesis asks as `requests` does."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runner, url = _serve(loop)
    try:
        yield url
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


schema = schemathesis.openapi.from_dict(orjson.loads(document(build_app(State(Registry(10.0, new_worker_id))))))


# the same handler under older names
@schema.exclude(path_regex="^/(api/service|clients|uploads)").parametrize()
@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_what_it_says_is_so(case: schemathesis.Case, coordinator_url: str) -> None:
    response = case.call(base_url=coordinator_url, timeout=10)
    assert response.status_code != 500
    unmeant = [positive_data_acceptance] if case.path in OF_URLS else []
    case.validate_response(response, excluded_checks=[not_a_server_error, *LENIENT, *STATELESS, *unmeant])
