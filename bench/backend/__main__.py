"""`python -m bench.backend --port N`: serve on 127.0.0.1, or on as many loopback addresses, until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import gc

import uvloop

from bench.backend.connection import Backend, House
from bench.measure import raise_descriptor_limit


async def serve(port: int, hosts: list[str]) -> None:
    house = House()
    server = await asyncio.get_running_loop().create_server(lambda: Backend(house), hosts, port, backlog=4096)
    async with server:
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.backend")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--hosts", default="127.0.0.1", help="comma list of addresses")
    options = parser.parse_args()
    raise_descriptor_limit()
    gc.disable()  # its pauses would be measured; a connection leaves no cycle behind
    uvloop.run(serve(options.port, options.hosts.split(",")))


if __name__ == "__main__":
    main()
