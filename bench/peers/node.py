"""configurable-http-proxy, on Node: `npm install --prefix bench/peers/node`, or a global one."""

from __future__ import annotations

import shutil
import subprocess

from bench.peers.base import HERE, Peer, Setup, Site

PROGRAM = "configurable-http-proxy"


class Node(Peer):
    """As it is by default, with connections that stay."""

    name = "chp"

    def absent(self, setup: Setup) -> str | None:
        if _found() and shutil.which("node"):
            return None
        return f"no {PROGRAM} on this machine: npm install --prefix bench/peers/node"

    def version(self) -> str:
        return "configurable-http-proxy " + _said([_found(), "--version"]) + ", node " + _said(["node", "--version"])

    def command(self, site: Site) -> list[str]:
        where = ["--ip", "127.0.0.1", "--port", str(site.port), "--api-ip", "127.0.0.1"]
        how = ["--api-port", str(site.admin_port), "--default-target", site.upstream, "--log-level", "error"]
        return [_found(), *where, *how, "--keep-alive-timeout", "75000", "--custom-header", "Via: 1.1 chp"]


def _found() -> str:
    """Its path; "" where it is not installed."""
    return shutil.which(PROGRAM) or shutil.which(PROGRAM, path=str(HERE / "node" / "node_modules" / ".bin")) or ""


def _said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
