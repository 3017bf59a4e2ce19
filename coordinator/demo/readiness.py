"""Whether the fleet works: real requests through the edge, and the coordinator's count of services."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, FormData

from coordinator.demo.fleet import EXPECTED, HOST, Ports
from coordinator.demo.sample import letter

REQUEST_TIMEOUT = 5.0  # seconds
Worker = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must work; `passes` may raise what a request raises, which counts as not yet."""

    what: str
    passes: Callable[[ClientSession], Awaitable[bool]]

    async def done(self, session: ClientSession) -> bool:
        try:
            return await self.passes(session)
        except (ClientError, TimeoutError, ValueError, LookupError, TypeError):
            return False


def session() -> ClientSession:
    return ClientSession(timeout=ClientTimeout(total=REQUEST_TIMEOUT))


def coordinator_check(ports: Ports) -> Check:
    async def answers(session: ClientSession) -> bool:
        async with session.get(f"http://{HOST}:{ports.coordinator}/health") as response:
            return response.status == 200

    return Check("coordinator", answers)


def fleet_checks(ports: Ports) -> list[Check]:
    """In the order in which they come true."""
    edge = f"http://{HOST}:{ports.edge}"
    return [
        Check("every service is healthy at the coordinator", lambda session: _all_healthy(session, ports)),
        Check("llm-inference through the edge", lambda session: _chats(session, edge)),
        Check("rag-embeddings through the edge", lambda session: _embeds(session, edge)),
        Check("document-processing through the edge", lambda session: _reads(session, edge)),
        Check("the edge through the load balancer", lambda session: _chats(session, f"http://{HOST}:{ports.balancer}")),
    ]


async def workers(session: ClientSession, ports: Ports) -> list[Worker]:
    """The coordinator's records of the healthy workers."""
    async with session.get(f"http://{HOST}:{ports.coordinator}/api/coordinator/workers") as response:
        response.raise_for_status()
        found: list[Worker] = (await response.json())["workers"]
        return found


def healthy(found: list[Worker]) -> Counter[str]:
    """How many workers run each service."""
    services = (service for worker in found for service in worker.get("services") or [])
    return Counter(service["name"] for service in services if service["status"] == "healthy")


async def _all_healthy(session: ClientSession, ports: Ports) -> bool:
    return healthy(await workers(session, ports)) >= Counter(EXPECTED)


async def _chats(session: ClientSession, edge: str) -> bool:
    ask = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 1}
    async with session.post(f"{edge}/v1/chat/completions", json=ask) as response:
        return response.status == 200 and bool((await response.json())["choices"])


async def _embeds(session: ClientSession, edge: str) -> bool:
    async with session.post(f"{edge}/v1/embeddings", json={"input": "hello"}) as response:
        return response.status == 200 and bool((await response.json())["data"])


async def _reads(session: ClientSession, edge: str) -> bool:
    form = FormData()
    form.add_field("file", letter(), filename="letter.pdf", content_type="application/pdf")
    async with session.post(f"{edge}/service/upload/process", data=form) as response:
        return response.status == 200 and "rent account" in (await response.json())["text"]
