"""The bench: the proxy beside nginx, HAProxy and the aiohttp recipe, on one backend."""
