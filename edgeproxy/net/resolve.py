"""Names become addresses once, and the address that was checked is the address that is dialled: a name server that
says something else the second time (DNS rebinding) is not asked a second time."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

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
