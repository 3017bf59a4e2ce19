"""What we have observed of one worker: kept beside the configuration, so that it survives every new worker list."""

from __future__ import annotations

from edgeproxy.clock import FOREVER

# A worker that failed is left out at once and asked again after a pause that grows with each failure in a row:
# a restarting process is back within a second, a dead machine costs one attempt in half a minute.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0

# Learned keep-alive limits: see `saw_race`.
DEFAULT_IDLE_LIMIT = 4.0
SHORTEST_IDLE_LIMIT = 0.1


class Worker:
    """One address that requests can be sent to.

    `idle` are its connections at rest, most recently used last; what they are is the network's business.
    """

    __slots__ = (
        "base_path",
        "failures",
        "host",
        "id",
        "idle",
        "idle_limit",
        "in_flight",
        "left_out_until",
        "line_end",
        "named",
        "origin",
        "port",
        "probed_down",
        "tls",
    )

    def __init__(self, identity: str, host: str, port: int, tls: bool = False, base_path: bytes = b"") -> None:
        # configured
        self.id = identity
        self.host = host
        self.port = port
        self.tls = tls
        self.base_path = base_path
        default_port = 443 if tls else 80
        shown = f"[{host}]" if ":" in host else host
        self.origin = (shown if port == default_port else f"{shown}:{port}").encode("ascii")
        """What the Host field of a request to it says."""
        self.line_end = b" HTTP/1.1\r\nHost: " + self.origin + b"\r\n"
        """From behind the target to the end of the Host field."""
        self.named = False
        """By the operator: then it may be anywhere."""
        # observed
        self.in_flight = 0
        self.failures = 0
        self.left_out_until = -FOREVER
        self.probed_down = False
        self.idle: list[object] = []
        self.idle_limit = DEFAULT_IDLE_LIMIT

    def available(self, now: float) -> bool:
        return not self.probed_down and now >= self.left_out_until

    def succeeded(self) -> None:
        self.failures = 0
        self.left_out_until = -FOREVER

    def failed(self, now: float) -> None:
        """The worker's own failure, never the client's."""
        self.failures += 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self.failures - 1, 10))
        self.left_out_until = now + pause

    def probed(self, alive: bool) -> None:
        """What an active check found."""
        if alive and self.probed_down:
            self.succeeded()
        self.probed_down = not alive

    def saw_race(self, idle_age: float) -> None:
        """It closed a connection that had been idle for `idle_age` while a request was on the way: keep
        connections for less than that from now on (the keep-alive race, RFC 9112 section 9.5)."""
        self.idle_limit = max(SHORTEST_IDLE_LIMIT, min(self.idle_limit, 0.8 * idle_age))

    def advertised_idle_limit(self, seconds: int) -> None:
        """It named its own keep-alive timeout: stay a second below."""
        self.idle_limit = max(SHORTEST_IDLE_LIMIT, min(self.idle_limit, seconds - 1.0))
