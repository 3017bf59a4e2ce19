"""edgeproxy itself: supervisor and one serving process before one upstream, the rest as it is by default."""

from __future__ import annotations

import os
import subprocess
import sys

from bench.peers.base import API_KEY, NO_LIMIT, Peer, Setup, Site
from edgeproxy.settings import ProxySettings

KEEP_ALIVE_REQUESTS = "EDGEPROXY_KEEP_ALIVE_REQUESTS"
NEVER = 1_000_000_000

# What is asked for, and the variable that turns it on: what has no variable has not been built.
_GUARDS = {
    "access log": ("EDGEPROXY_ACCESS_LOG", "json"),
    "rate limit": (RATE_LIMIT := "EDGEPROXY_RATE_LIMIT", f"{NO_LIMIT}/second;burst={NO_LIMIT}"),
    "API key check": ("EDGEPROXY_API_KEYS", API_KEY),
}


def lacks(setup: Setup) -> list[str]:
    """Of what a scenario wants, what edgeproxy has not yet: it would be compared with peers that do more."""
    return [guard for guard, (variable, _) in _GUARDS.items() if setup.guarded and not _has(variable)]


def _has(variable: str) -> bool:
    return variable in ProxySettings.variables()


class Edge(Peer):
    name = "edgeproxy"

    def version(self) -> str:
        command = [sys.executable, "-m", "edgeproxy", "version"]
        return subprocess.check_output(command, env=_environment(), text=True, timeout=20).strip()

    def caveat(self) -> str | None:
        interpreted = "edgeproxy runs interpreted: `make bench` compiles it, or `python setup.py build_ext --inplace`"
        return interpreted if "interpreted" in self.version() else None

    def command(self, site: Site) -> list[str]:
        return [sys.executable, "-m", "edgeproxy", "serve"]

    def environment(self, site: Site) -> dict[str, str]:
        ours = {
            "EDGEPROXY_HOST": "127.0.0.1",
            "EDGEPROXY_PORT": str(site.port),
            "EDGEPROXY_ADMIN_PORT": str(site.admin_port),
            "EDGEPROXY_PROCESSES": "1",
            ("COORDINATOR_URL" if site.setup.fleet else "EDGEPROXY_UPSTREAMS"): ",".join(site.upstreams),
        }
        if _has(KEEP_ALIVE_REQUESTS):  # as nginx is set up too: no connection is made anew
            ours[KEEP_ALIVE_REQUESTS] = str(NEVER)
        if _has(RATE_LIMIT):  # a limit that is on by default stays on, where nobody reaches it
            ours |= [_GUARDS["rate limit"]]
        if site.setup.guarded:
            ours |= [pair for pair in _GUARDS.values() if _has(pair[0])]
        if site.setup.cache:
            ours["EDGEPROXY_CACHE"] = "64MiB"
        if site.certificate:
            ours |= {
                "EDGEPROXY_TLS_CERT": str(site.certificate.chain),
                "EDGEPROXY_TLS_KEY": str(site.certificate.key),
            }
        return _environment() | ours


def _environment() -> dict[str, str]:
    foreign = ("EDGEPROXY_", "COORDINATOR_")  # the caller's settings would be measured too
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
