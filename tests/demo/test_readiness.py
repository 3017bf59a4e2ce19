from collections import Counter
from typing import Any

import pytest
from aiohttp import ClientSession, web

from coordinator.demo import documents, embeddings, llm, readiness
from coordinator.demo.fleet import EXPECTED, Ports
from coordinator.demo.service import json_response

from .conftest import Start

WORKERS: list[dict[str, Any]] = [
    {"worker_id": f"{name}-{number}", "services": [{"name": name, "status": "healthy", "port": 1}]}
    for name, count in EXPECTED.items()
    for number in range(count)
]


def port(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


async def passes(session: ClientSession, ports: Ports) -> dict[str, bool]:
    checks = [readiness.coordinator_check(ports), *readiness.fleet_checks(ports)]
    return {check.what.split()[0]: await check.done(session) for check in checks}


async def test_each_check_is_a_real_answer(start: Start, session: ClientSession) -> None:
    """One app that is edge, coordinator and balancer at once, made of the real services."""

    async def workers(request: web.Request) -> web.Response:
        return json_response({"workers": WORKERS})

    app = llm.build(token_delay=0)
    app.router.add_post("/v1/embeddings", embeddings.Embeddings().embed)
    app.router.add_get("/api/coordinator/workers", workers)
    app.add_subapp("/service/upload", documents.build())
    one = port(await start(app))
    assert set((await passes(session, Ports(one, one, one))).values()) == {True}


async def test_a_service_that_is_not_there_or_wrong_is_not_ready(start: Start, session: ClientSession) -> None:
    async def wrong(request: web.Request) -> web.Response:
        return json_response({"workers": WORKERS[1:], "text": "something else"})

    app = web.Application()
    app.router.add_route("*", "/service/upload/process", wrong)
    app.router.add_get("/api/coordinator/workers", wrong)
    one = port(await start(app))
    assert set((await passes(session, Ports(one, one, one))).values()) == {False}


async def test_nobody_listening_is_not_ready(session: ClientSession) -> None:
    assert set((await passes(session, Ports(1, 1, 1))).values()) == {False}


@pytest.mark.parametrize("services", [None, [{"name": "a", "status": "starting"}]])
def test_only_healthy_services_count(services: list[dict[str, str]] | None) -> None:
    one = {"worker_id": "w", "services": [{"name": "a", "status": "healthy"}]}
    assert readiness.healthy([one, {"worker_id": "v", "services": services}]) == Counter(a=1)
