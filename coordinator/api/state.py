"""What the handlers share: the registry, the clocks, who may write, and counts for the metrics."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final, Protocol

from aiohttp import web

from coordinator.api.calls import Reply
from coordinator.api.jobs import Jobs
from coordinator.api.limits import Limits
from coordinator.identity.gate import Caller, Gate
from coordinator.identity.logins import Logins
from coordinator.keyvalues import KeyValues
from coordinator.registry import Now, Registry, Worker
from edgeproxy.cluster.messages import Registration


def now() -> Now:
    return Now(monotonic(), datetime.now(UTC))


def new_worker_id() -> str:
    return f"worker-{secrets.token_hex(8)}"


class Federation(Protocol):
    """What the handlers need of other coordinators, where there are any. `is_degraded`: the store that our site
    shares is away; None: there is none."""

    @property
    def is_degraded(self) -> bool | None: ...

    def known_life(self, header: str, body: bytes, registration: Registration) -> int | None:
        """The incarnation of a later life of this worker that somebody knows."""

    def registered(self, worker: Worker, header: str | None, body: bytes, registration: Registration) -> None: ...

    def elsewhere(self, at: Now) -> list[dict[str, Any]]:
        """The records of workers that are at home with others, as `views.record` tells ours."""

    def coordinators(self, at: Now) -> list[dict[str, Any]]: ...

    def alternates(self, at: Now) -> list[str]:
        """While we leave: the URLs of those that take workers in."""

    def move_to(self, worker_id: str, at: Now) -> str | None:
        """While we leave: the URL of the one that this worker is to go to."""


@dataclass(slots=True)
class State:
    """`api_key` None: only loopback may write, unless `open` says that anybody may. `admin_key` None: operators
    work over loopback. `unsigned`: whose programs need not sign; `users`: whose requests are passed on to workers;
    None: this machine's, or anybody's if `open`. `draining`: we leave, and our workers go elsewhere meanwhile;
    `closing`: now."""

    registry: Registry
    api_key: str | None = None
    admin_key: str | None = None
    open: bool = False
    unsigned: Callable[[Caller], bool] | None = None
    users: Callable[[Caller], bool] | None = None
    gate: Gate = field(default_factory=Gate)
    limits: Limits = field(default_factory=Limits)
    jobs: Jobs = field(default_factory=Jobs)
    federation: Federation | None = None
    logins: Logins = field(default_factory=Logins)
    keys: KeyValues = field(default_factory=KeyValues)
    cors_origins: frozenset[str] = frozenset()
    clock: Callable[[], Now] = now
    draining: bool = False
    closing: bool = False
    watchers: set[asyncio.Event] = field(default_factory=set)
    watchers_of: Counter[str] = field(default_factory=Counter)
    answers: dict[tuple[tuple[str, ...], float, str | None], Reply] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.gate.unsigned = self._accepts_unsigned

    def _accepts_unsigned(self, caller: Caller) -> bool:
        return self.open or caller.loopback if self.unsigned is None else self.unsigned(caller)

    def serves_users(self, caller: Caller) -> bool:
        return self.open or caller.loopback if self.users is None else self.users(caller)

    def count(self, what: str) -> None:
        self.counts[what] += 1

    def wake_watchers(self) -> None:
        """We leave: who waits for changes is answered now."""
        for watcher in tuple(self.watchers):
            watcher.set()

    def settled(self, at: Now) -> bool:
        """Whether every worker that was there before we started has had the time to come back."""
        self.registry.advance(at)
        return self.registry.settled(at)


STATE: Final = web.AppKey("state", State)
