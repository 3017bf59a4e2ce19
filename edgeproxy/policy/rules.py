"""What the operator asks of requests: `RoutePolicy` for those of one route, `Rules` for all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgeproxy.policy.cors import Cors
from edgeproxy.policy.keys import Keyring
from edgeproxy.policy.limit import Limit
from edgeproxy.policy.shed import NORMAL

# What a worker sees of the credentials that a client shows.
STRIP = 0  # nothing, where the edge asks for keys
APPLICATION = 1  # the Authorization that was not the edge's key: it belongs to the application behind
PASS = 2  # all

CREDENTIALS = {"strip": STRIP, "application": APPLICATION, "pass": PASS}


class RoutePolicy:
    """`each` are limits for one caller or address, `together` for all of them. `open`: no key is asked for.
    `credentials`: one of STRIP, APPLICATION, PASS. `body_bytes`: the largest request body, 0 for the general bound.
    `cors` None: the general one."""

    __slots__ = ("body_bytes", "cors", "credentials", "each", "open", "priority", "together")

    def __init__(
        self,
        *,
        each: Sequence[Limit] = (),
        together: Sequence[Limit] = (),
        open: bool = False,
        credentials: int = STRIP,
        body_bytes: int = 0,
        cors: Cors | None = None,
        priority: int = NORMAL,
    ) -> None:
        self.each = list(each)
        self.together = list(together)
        self.open = open
        self.credentials = credentials
        self.body_bytes = body_bytes
        self.cors = cors
        self.priority = priority


PLAIN_ROUTE = RoutePolicy()


class Rules:
    """`keyring` None and no `tokens`: everybody may pass. `limits` are for one caller or address; `spares_local`:
    not for this machine's own, behind whose address a tunnel's clients would all be one. `hosts` None: any, else
    names in lower case without port. `added` are field lines of every answer. `show_limits`: RateLimit fields."""

    __slots__ = ("added", "cors", "hosts", "keyring", "limits", "show_limits", "spares_local")

    def __init__(
        self,
        *,
        keyring: Keyring | None = None,
        limits: Sequence[Limit] = (),
        spares_local: bool = False,
        hosts: Iterable[bytes] | None = None,
        cors: Cors | None = None,
        added: bytes = b"",
        show_limits: bool = False,
    ) -> None:
        self.keyring = keyring
        self.limits = list(limits)
        self.spares_local = spares_local
        self.hosts = frozenset(hosts) if hosts is not None else None
        self.cors = cors
        self.added = added
        self.show_limits = show_limits
