"""Worker lists that change while streams run: a coordinator that says something else every time it is asked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from bench.chaos.site import free_port, site
from bench.chaos.worker import PACE

STREAMS = 200
UPDATES = 100
REFRESH_S = 0.08


@dataclass(frozen=True, slots=True)
class Streams:
    """`whole` of `begun` streams had all their events, in order, while the list changed `updates` times."""

    begun: int
    whole: int
    updates: int


class Coordinator:
    """Lists the first two workers always, and the third every other time."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.answers = 0

    async def workers(self, request: web.Request) -> web.Response:
        self.answers += 1
        shown = self.ports if self.answers % 2 else self.ports[:-1]
        workers = [
            {
                "worker_id": f"w{port}",
                "services": [{"name": "llm-inference", "service_url": f"http://127.0.0.1:{port}"}],
            }
            for port in shown
        ]
        return web.json_response({"workers": workers, "count": len(workers), "timestamp": "", "settled": True})


async def run(directory: Path) -> Streams:
    coordinator, port = Coordinator(), free_port()
    app = web.Application()
    app.router.add_get("/api/coordinator/workers", coordinator.workers)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    variables = {
        "COORDINATOR_URL": f"http://127.0.0.1:{port}",
        "EDGEPROXY_WORKER_LIST_REFRESH": str(REFRESH_S),
    }
    count = int(UPDATES * REFRESH_S * 1.4 / PACE)
    try:
        return await asyncio.to_thread(_run, coordinator, directory, variables, count)
    finally:
        await runner.cleanup()


def _run(coordinator: Coordinator, directory: Path, variables: dict[str, str], count: int) -> Streams:
    with site("edgeproxy", directory, [0.001] * 3, **variables) as made:
        coordinator.ports = made.worker_ports
        return asyncio.run(_streams(made.port, coordinator, count))


async def _streams(port: int, coordinator: Coordinator, count: int) -> Streams:
    await asyncio.sleep(1.0)
    before = coordinator.answers
    outcomes = await asyncio.gather(*(_read(port, count) for _ in range(STREAMS)))
    return Streams(STREAMS, sum(outcomes), coordinator.answers - before)


async def _read(port: int, count: int) -> bool:
    async with asyncio.timeout(count * PACE * 3 + 20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_request(count))
        received = await reader.read()
        writer.close()
    wanted = b"".join(b"data: %d\n\n" % number for number in range(count))
    return received.startswith(b"HTTP/1.1 200") and _payload(received) == wanted


def _request(count: int) -> bytes:
    return b"GET /service/llm-inference/stream/%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % count


def _payload(received: bytes) -> bytes:
    """The chunks' content; less than sent where the last chunk is missing."""
    rest, payload = received.partition(b"\r\n\r\n")[2], b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        if not size or int(size, 16) == 0:
            return payload if size else b""
        payload, rest = payload + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return b""
