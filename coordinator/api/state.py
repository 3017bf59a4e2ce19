"""What the handlers share: the registry, the clocks, who may write, and counts for the metrics."""

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Final

from aiohttp import web

from coordinator.registry import Now, Registry


def now() -> Now:
    return Now(monotonic(), datetime.now(UTC))


def new_worker_id() -> str:
    return f"worker-{secrets.token_hex(8)}"


@dataclass(slots=True)
class State:
    """`api_key` None: only loopback may write, unless `open` says that anybody may."""

    registry: Registry
    api_key: str | None = None
    open: bool = False
    clock: Callable[[], Now] = now
    started: float = field(init=False)
    draining: bool = False
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.started = self.clock().monotonic

    def settled(self, at: Now) -> bool:
        """Whether every worker that was there before we started has had the time to come back."""
        self.registry.advance(at)
        return self.registry.settled(at)


STATE: Final = web.AppKey("state", State)
