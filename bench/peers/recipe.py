"""The aiohttp recipe as a peer; the program is `aiohttp_recipe.py`."""

from __future__ import annotations

import sys
from importlib.metadata import version

from bench.peers.base import Peer, Site


class Recipe(Peer):
    name = "aiohttp"

    def version(self) -> str:
        return f"aiohttp {version('aiohttp')} on uvloop {version('uvloop')}"

    def command(self, site: Site) -> list[str]:
        module = "bench.peers.aiohttp_recipe"
        return [sys.executable, "-m", module, "--port", str(site.port), "--upstream", site.upstream]
