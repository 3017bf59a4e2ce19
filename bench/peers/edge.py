"""edgeproxy itself: supervisor and one serving process before one upstream, the rest as it is by default."""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, version

from bench.peers.base import Peer, Site


class Edge(Peer):
    name = "edgeproxy"

    def version(self) -> str:
        try:
            return f"edgeproxy {version('edgeproxy')}"
        except PackageNotFoundError:
            return "edgeproxy (not installed)"

    def command(self, site: Site) -> list[str]:
        return [sys.executable, "-m", "edgeproxy", "serve"]

    def environment(self, site: Site) -> dict[str, str]:
        foreign = ("EDGEPROXY_", "COORDINATOR_")  # the caller's settings would be measured too
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return kept | {
            "EDGEPROXY_UPSTREAMS": site.upstream,
            "EDGEPROXY_HOST": "127.0.0.1",
            "EDGEPROXY_PORT": str(site.port),
            "EDGEPROXY_ADMIN_PORT": str(site.admin_port),
            "EDGEPROXY_PROCESSES": "1",
        }
