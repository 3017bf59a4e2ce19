"""A Cloudflare tunnel: `cloudflared` as a supervised child that carries requests to our gateway.

A quick tunnel needs no account; its URL is new at each start and is read from the program's output. A named one
(TUNNEL_TOKEN) has the host name that its owner gave it, TUNNEL_URL. What Cloudflare does to requests there:
"""

import re
import shutil
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from edgeproxy.runtime.backoff import Backoff
from edgeproxy.runtime.process import ManagedProcess

LIMITS: Final[Mapping[str, object]] = {
    "quick": {"max_requests_in_flight": 200, "buffers_sse_over_get": True, "seconds_of_silence": 100},
    "named": {"seconds_of_silence": 100},
}
"""Quick tunnels answer 429 beyond so many, hold back events that answer a GET until the answer ends, and all of them
give up (524) on an answer that is silent for so long."""

_QUICK_URL: Final = re.compile(r"https://[a-z0-9]+(?:-[a-z0-9]+)+\.trycloudflare\.com(?![\w.-])")
_REGISTERED: Final = re.compile(r"Registered tunnel connection|Connection [0-9a-f-]{36} registered")
_BLOCKED: Final = re.compile(
    r"api\.trycloudflare\.com|429 Too Many Requests|failed to request quick Tunnel", re.IGNORECASE
)
MAX_GREETING: Final = 4096  # characters of a line that are looked at

log = structlog.get_logger(__name__)


def is_installed(program: str) -> bool:
    return shutil.which(program) is not None


class Cloudflared:
    """`url` is where the tunnel's other end is while it stands; `on_change()` is called when that changes."""

    def __init__(
        self,
        program: str,
        target: str,
        environment: Mapping[str, str],
        on_change: Callable[[], None],
        *,
        token: str | None = None,
        named_url: str | None = None,
    ) -> None:
        self.url: str | None = None
        self._named_url = named_url if token else None
        self._offered: str | None = None
        self._on_change = on_change
        command = [program, "tunnel", "--no-autoupdate", "--metrics", "127.0.0.1:0", "--url", target]
        given = {**environment, "TUNNEL_TOKEN": token} if token else dict(environment)
        self._process = ManagedProcess(
            "cloudflared",
            [*command, "run"] if token else command,
            given,
            backoff=Backoff(1.0, 60.0, jitter=True),  # Cloudflare counts quick tunnels by address
            on_change=self._changed,
            on_line=self._heard,
        )

    @property
    def limits(self) -> object:
        return LIMITS["named" if self._named_url else "quick"]

    @property
    def pid(self) -> int | None:
        return self._process.pid

    async def start(self) -> None:
        """Kept running until `stop()`."""
        await self._process.start()

    async def stop(self) -> None:
        await self._process.stop()

    def _changed(self) -> None:
        if self._process.state != "running":
            self._offered = None
            self._set(None)

    def _heard(self, line: str) -> None:
        log.debug("cloudflared", line=line)
        line = line[:MAX_GREETING]
        if found := _QUICK_URL.search(line):
            self._offered = found[0] if found[0] != "https://api.trycloudflare.com" else self._offered
        elif _BLOCKED.search(line):
            log.warning("Cloudflare gives no quick tunnel: try later, or give TUNNEL_TOKEN and TUNNEL_URL", said=line)
        if _REGISTERED.search(line):
            self._set(self._named_url or self._offered)

    def _set(self, url: str | None) -> None:
        if url != self.url:
            self.url = url
            log.info("tunnel", url=url)
            self._on_change()
