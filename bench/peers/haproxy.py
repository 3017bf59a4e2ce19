"""HAProxy: one process with one thread, no master."""

from __future__ import annotations

from bench.peers.base import Packaged, Site

LARGE_BUFFERS = "tune.bufsize 131072"


class HAProxy(Packaged):
    program = "haproxy"
    template = "haproxy.cfg"

    def command(self, site: Site) -> list[str]:
        configuration = self.write_configuration(site, buffers=LARGE_BUFFERS if self.for_bulk else "")
        return [self.path(), "-db", "-f", str(configuration)]
