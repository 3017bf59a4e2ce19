"""One request of an agent, as both ways in hand it over: aiohttp's, and the lane for what agents ask most."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final, Protocol

import orjson

from coordinator.identity.gate import Caller

# the request came by a proxy, or from a page in a browser: the TCP peer is not the one who asks
FROM_ELSEWHERE: Final = frozenset({"forwarded", "x-forwarded-for", "via", "origin"})


class Headers(Protocol):
    """Looked up by names in lower case."""

    def get(self, name: str, /) -> str | None: ...

    def __contains__(self, name: object, /) -> bool: ...


@dataclass(slots=True)
class Call:
    """`peer` is the address at the other end of the connection. `proven`: the worker whose proof it bears, once that
    was found good."""

    peer: str
    headers: Headers
    body: bytes = b""
    proven: str | None = None

    @property
    def caller(self) -> Caller:
        direct = came_directly(self.headers)
        return Caller(self.peer, direct and is_loopback(self.peer), direct)


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered: JSON."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] | None = None
    content_type: str = "application/json"


class Problem(Exception):
    """Raised by a handler: answered as a problem document (RFC 9457) with this status and detail. `more` are members
    that old clients read."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **more: object) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers, self.more = status, detail, headers, more

    def reply(self) -> Reply:
        """With the `detail` that FastAPI's clients read."""
        title = HTTPStatus(self.status).phrase
        body = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail, **self.more}
        return Reply(orjson.dumps(body), self.status, self.headers, "application/problem+json")


def came_directly(headers: Headers) -> bool:
    """Whether the TCP peer is the one who asks. Our own edge proxy on the same machine passes on what others ask;
    so may another proxy: both say so."""
    if isinstance(headers, dict):
        return FROM_ELSEWHERE.isdisjoint(headers)
    return not any(name in headers for name in FROM_ELSEWHERE)


@lru_cache(maxsize=4096)  # asked several times a registration, of few addresses
def is_loopback(address: str) -> bool:
    if address == "127.0.0.1":
        return True
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback
