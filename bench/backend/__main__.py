"""`python -m bench.backend --port N`: serve on 127.0.0.1 until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import gc

import uvloop

from bench.backend.connection import Backend, House
from bench.measure import raise_descriptor_limit


async def serve(port: int) -> None:
    house = House()
    server = await asyncio.get_running_loop().create_server(lambda: Backend(house), "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.backend")
    parser.add_argument("--port", type=int, required=True)
    raise_descriptor_limit()
    gc.disable()  # its pauses would be measured; a connection leaves no cycle behind
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
