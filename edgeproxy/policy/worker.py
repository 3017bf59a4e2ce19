# cython: cdivision=True
"""What we have observed of one worker: kept beside the configuration, so that it survives every new worker list."""

from __future__ import annotations

from edgeproxy.clock import FOREVER
from edgeproxy.policy.hashing import seed_of

SLOW_START = 30.0
"""Seconds in which the share of a worker that has come back grows to what it had: its caches are cold."""
FIRST_SHARE = 0.1
_SLOW_START, _FIRST_SHARE = SLOW_START, FIRST_SHARE  # typed
_MEMORY = 2.0
"""Seconds in which what is known of a worker's latency has lost three quarters of its weight in a pick."""
RECENT = 10.0
_RECENT = RECENT  # for C
"""Seconds after which the counts of the failure rate weigh half."""

# Learned keep-alive limits: see `saw_race`.
DEFAULT_IDLE_LIMIT = 4.0
SHORTEST_IDLE_LIMIT = 0.1


class Worker:
    """One address that requests can be sent to.

    `weight` is its share relative to others, `slots` how many requests it takes at once (0: any number). `turn` and
    `order` are the round robin's. `left_out_until` is the end of its pause, `held_until` that of a pause so short
    that requests wait for it, `ejected_until` that of one that counts against the pool's bound. `unheard` requests
    were sent since it was last heard; while it has any in flight, it has said nothing since `quiet_since`. `reported_*`
    is what it said of itself.
    `idle` are its connections at rest, most recently used last; what they are is the network's business.
    `lobby` is where the connections of a machine that dials in arrive (`net/reverse.py`), None for one that is dialled.
    """

    __slots__ = (
        "base_path",
        "ejected_until",
        "ejections",
        "failed",
        "failures",
        "held_until",
        "host",
        "id",
        "idle",
        "idle_limit",
        "in_flight",
        "latency",
        "latency_at",
        "left_out_until",
        "line_end",
        "lobby",
        "named",
        "order",
        "origin",
        "port",
        "probed_down",
        "quiet_since",
        "recent_at",
        "recent_bad",
        "recent_good",
        "recovered_at",
        "reported_at",
        "reported_in_flight",
        "reported_latency",
        "seed",
        "sent",
        "slots",
        "tls",
        "turn",
        "unheard",
        "unproven",
        "weight",
    )

    def __init__(
        self,
        identity: str,
        host: str,
        port: int,
        tls: bool = False,
        base_path: bytes = b"",
        *,
        weight: float = 1.0,
        slots: int = 0,
    ) -> None:
        # configured
        self.id = identity
        self.host = host
        self.port = port
        self.tls = tls
        self.base_path = base_path
        self.weight = weight
        self.slots = slots
        self.seed = seed_of(identity.encode("utf-8", "surrogateescape"))
        default_port = 443 if tls else 80
        shown = f"[{host}]" if ":" in host else host
        self.origin = (shown if port == default_port else f"{shown}:{port}").encode("ascii")
        """What the Host field of a request to it says."""
        self.line_end = b" HTTP/1.1\r\nHost: " + self.origin + b"\r\n"
        """From behind the target to the end of the Host field."""
        self.named = False
        """By the operator: then it may be anywhere."""
        # observed: routing
        self.in_flight = 0
        self.turn = 0.0
        self.order = 0
        # health
        self.failures = 0  # in a row
        self.ejections = 0
        self.left_out_until = self.held_until = self.ejected_until = self.recovered_at = -FOREVER
        self.probed_down = False
        self.unproven = False  # no active check has seen it alive
        self.unheard = 0
        self.quiet_since = FOREVER
        self.recent_good = self.recent_bad = 0.0
        self.recent_at = -FOREVER
        # what it takes
        self.latency = 0.0
        self.latency_at = -FOREVER
        self.reported_at = -FOREVER
        self.reported_latency = 0.0
        self.reported_in_flight = 0
        self.sent = 0
        self.failed = 0
        # connections
        self.idle: list[object] = []
        self.lobby: object = None
        self.idle_limit = DEFAULT_IDLE_LIMIT

    def available(self, now: float) -> bool:
        """Healthy and not full."""
        return (
            now >= self.left_out_until
            and not self.probed_down
            and not self.unproven
            and (self.slots == 0 or self.in_flight < self.slots)
        )

    def share(self, now: float) -> float:
        """Its weight, and less while it has only just come back."""
        age = now - self.recovered_at
        if age >= _SLOW_START:
            return self.weight
        return self.weight * max(_FIRST_SHARE, age / _SLOW_START)

    def expected(self, now: float) -> float:
        """Seconds until it answers, by what it took, or has been taking; of one that has nothing to do the knowledge
        fades, so that a slow one is asked again."""
        if self.latency == 0.0 and self.in_flight == 0:
            return 0.0
        if self.in_flight > 0:  # what it has in hand says more than what it has done
            return max(self.latency, now - self.quiet_since)
        kept = _MEMORY / (_MEMORY + max(0.0, now - self.latency_at))
        return self.latency * kept * kept

    def took(self, seconds: float, now: float) -> None:
        """It answered, or could not, after so long: a rise is believed at once, a fall by and by (peak EWMA)."""
        if seconds < self.latency:
            kept = _MEMORY / (_MEMORY + max(0.0, now - self.latency_at))
            seconds = self.latency * kept + seconds * (1.0 - kept)
        self.latency = seconds
        self.latency_at = now

    def begin(self, now: float) -> None:
        """A request is on its way to it."""
        if self.in_flight == 0:
            self.quiet_since = now
        self.in_flight += 1
        self.sent += 1
        self.unheard += 1

    def heard(self, now: float) -> None:
        """Some of an answer has come."""
        self.unheard = 0
        self.quiet_since = now

    def succeeded(self, now: float) -> None:
        self.failures = 0
        self.heard(now)
        self.count(True, now)

    def count(self, good: bool, now: float) -> None:
        """One more for the failure rate of the last seconds."""
        if now - self.recent_at > _RECENT:
            forgotten = now - self.recent_at > 2 * _RECENT
            self.recent_good = 0.0 if forgotten else self.recent_good / 2
            self.recent_bad = 0.0 if forgotten else self.recent_bad / 2
            self.recent_at = now
        if good:
            self.recent_good += 1
        else:
            self.recent_bad += 1

    def probed(self, alive: bool, now: float) -> None:
        """What an active check found."""
        if alive and self.probed_down:
            self.failures = 0
            self.left_out_until = self.held_until = self.ejected_until = -FOREVER
            self.recovered_at = now
        self.unproven = False
        self.probed_down = not alive

    def saw_race(self, idle_age: float) -> None:
        """It closed a connection that had been idle for `idle_age` while a request was on the way: keep
        connections for less than that from now on (the keep-alive race, RFC 9112 section 9.5). One that dials in
        closes none: there it was the network."""
        if self.lobby is not None:
            return
        self.idle_limit = max(SHORTEST_IDLE_LIMIT, min(self.idle_limit, 0.8 * idle_age))

    def advertised_idle_limit(self, seconds: int) -> None:
        """It named its own keep-alive timeout: stay a second below."""
        self.idle_limit = max(SHORTEST_IDLE_LIMIT, min(self.idle_limit, seconds - 1.0))
