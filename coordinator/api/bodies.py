"""Request bodies: JSON, bounded in size and in time, checked against a message."""

import asyncio
from typing import Final, TypeVar
from urllib.parse import urlsplit

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from coordinator.api.answers import fail
from coordinator.api.middleware import from_loopback
from edgeproxy.cluster.messages import ServiceReport, first_fault

MAX_BODY: Final = 256 * 1024  # 16 KiB of capabilities and 64 services at 3 KiB
READ_TIMEOUT: Final = 10.0

Message = TypeVar("Message", bound=BaseModel)


async def read_message(request: web.Request, model: type[Message]) -> Message:
    """The message; Problem 408, 413, 415, 400 (no JSON) or 422 (JSON of another shape)."""
    if request.content_type != "application/json":
        # a page in a browser may send any other type to any address without being asked
        fail(415, "send Content-Type: application/json")
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            body = await request.read()
    except TimeoutError:
        fail(408, f"the body did not arrive within {READ_TIMEOUT:g} seconds", {"Connection": "close"})
    try:
        return model.model_validate(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        fail(400, f"the body is not JSON: {error.msg}")
    except ValidationError as error:
        fail(422, first_fault(error))


def refuse_foreign_loopback(request: web.Request, *urls: str | None) -> None:
    """A worker on another machine cannot mean our loopback: edges would send users' data to their own
    ports."""
    if from_loopback(request):
        return
    for url in urls:
        host = urlsplit(url or "").hostname or ""
        if host.rstrip(".") == "localhost" or host.startswith("127.") or host == "::1" or "::ffff:127." in host:
            fail(422, f"{url} is an address of your own machine: give one that others can reach")


def service_urls(reports: list[ServiceReport] | None) -> list[str]:
    return [report.service_url for report in reports or ()]
