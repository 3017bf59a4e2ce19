"""Of a name's addresses those that may be dialled, for aiohttp's connections: `net/resolve.py` says which and why."""

import socket
from typing import Any

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from edgeproxy.policy.reach import Reach


class ReachResolver(AbstractResolver):
    """The same rule as for requests."""

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
