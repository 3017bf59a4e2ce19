"""Varnish: a manager and a child with one pool of threads, all on the peer's core. It is measured as a cache."""

from __future__ import annotations

from bench.peers.base import Packaged, Site


class Varnish(Packaged):
    name = "varnish"
    program = "varnishd"
    template = "varnish.vcl"
    arguments = ("-F", "-f")
    version_flag = "-V"

    def command(self, site: Site) -> list[str]:
        own = ["-n", str(site.directory / "varnish"), "-j", "none", "-T", "none", "-s", "malloc,64m"]
        pool = ["-p", "thread_pools=1", "-p", "thread_pool_min=100", "-p", "timeout_idle=75"]
        return [*super().command(site), "-a", f"127.0.0.1:{site.port}", *own, *pool]
