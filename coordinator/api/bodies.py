"""Request bodies: bounded in size and in time."""

import asyncio
from typing import Final

from aiohttp import web

from coordinator.api.answers import fail
from coordinator.api.calls import Call

MAX_BODY: Final = 256 * 1024  # 16 KiB of capabilities and 64 services at 3 KiB
READ_TIMEOUT: Final = 10.0


async def read_call(request: web.Request) -> Call:
    """The request with its body; Problem 408, or aiohttp's own 413."""
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            body = await request.read()
    except TimeoutError:
        fail(408, f"the body did not arrive within {READ_TIMEOUT:g} seconds", {"Connection": "close"})
    return Call(peer_of(request), request.headers, body)


def peer_of(request: web.Request) -> str:
    """The address at the other end; empty if it is none (a Unix socket)."""
    return (request.remote or "").partition("%")[0]


def call_of(request: web.Request) -> Call:
    """The request without its body."""
    return Call(peer_of(request), request.headers)
