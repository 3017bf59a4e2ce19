"""edgeproxy itself: supervisor and one serving process before one upstream, the rest as it is by default."""

from __future__ import annotations

import os
import subprocess
import sys

from bench.peers.base import ACCESS_LOG, API_KEY, KEY_CHECK, NO_LIMIT, RATE_LIMIT, Peer, Site
from edgeproxy.settings import ProxySettings

# What is asked for, and the variable that turns it on: what has no variable has not been built.
_GUARDS = {
    ACCESS_LOG: ("EDGEPROXY_ACCESS_LOG", "json"),
    RATE_LIMIT: ("EDGEPROXY_RATE_LIMIT", f"{NO_LIMIT}/second;burst={NO_LIMIT}"),
    KEY_CHECK: ("EDGEPROXY_API_KEYS", API_KEY),
}


def guards() -> frozenset[str]:
    """Of what a guarded peer has on, what edgeproxy has too: the others are given no more."""
    return frozenset(guard for guard, (variable, _) in _GUARDS.items() if variable in ProxySettings.variables())


def guards_not_offered() -> list[str]:
    return [guard for guard in _GUARDS if guard not in guards()]


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
            ("COORDINATOR_URL" if site.setup.fleet else "EDGEPROXY_UPSTREAMS"): site.upstream,
        }
        if RATE_LIMIT in guards():  # a limit that is on by default stays on, where nobody reaches it
            ours |= [_GUARDS[RATE_LIMIT]]
        if site.setup.guarded:
            ours |= [_GUARDS[guard] for guard in site.guards]
        if site.certificate:
            ours |= {
                "EDGEPROXY_TLS_CERT": str(site.certificate.chain),
                "EDGEPROXY_TLS_KEY": str(site.certificate.key),
            }
        return _environment() | ours


def _environment() -> dict[str, str]:
    foreign = ("EDGEPROXY_", "COORDINATOR_")  # the caller's settings would be measured too
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
