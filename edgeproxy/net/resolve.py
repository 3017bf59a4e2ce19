"""Names become addresses once, and the address that was checked is the address that is dialled: a name server that
says something else the second time (DNS rebinding) is not asked a second time."""

from __future__ import annotations

import asyncio
import socket
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from edgeproxy.cluster.addresses import parse_address
from edgeproxy.policy.reach import Reach

MOST_ADDRESSES = 4
"""Of one name that are tried, within the one time for a connection."""


class OutOfReach(Exception):
    """A worker names an address that is not for it to name."""


async def resolve(loop: asyncio.AbstractEventLoop, host: str, port: int, reach: Reach) -> list[str]:
    """The addresses of a host that may be dialled; OutOfReach if there are only others, OSError if there are none."""
    if parse_address(host) is not None:
        found = [host]
    else:
        answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        found = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
    allowed = [address for address in found if reach.allows(address)]
    if found and not allowed:
        raise OutOfReach
    return allowed[:MOST_ADDRESSES]


def literal(url: str) -> str:
    """The host of a URL where it is an address, else ""."""
    host = urlsplit(url).hostname or ""
    return host if parse_address(host) is not None else ""


class ReachResolver(AbstractResolver):
    """The same rule for aiohttp's connections."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._inner = ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_UNSPEC) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        allowed = [each for each in found if self._reach.allows(each["host"])]
        if not allowed:
            raise OSError("no address of the name may be dialled")
        return allowed

    async def close(self) -> None:
        await self._inner.close()
