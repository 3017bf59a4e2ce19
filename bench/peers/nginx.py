"""nginx: one worker under its master."""

from __future__ import annotations

import os

from bench.peers.base import Packaged, Site

LARGE_BUFFERS = (
    "proxy_buffer_size 16k; proxy_buffers 8 128k; proxy_busy_buffers_size 256k; client_body_buffer_size 128k;"
)


class Nginx(Packaged):
    program = "nginx"
    template = "nginx.conf"

    def command(self, site: Site) -> list[str]:
        # Started by root, the worker would drop to a user who may not enter the run's directory.
        user = "user root;" if os.geteuid() == 0 else ""
        buffers = LARGE_BUFFERS if self.for_bulk else ""
        configuration = self.write_configuration(site, user=user, buffers=buffers)
        return [self.path(), "-p", str(site.directory), "-e", "stderr", "-c", str(configuration)]
