"""A worker for `real`: a process of its own that signs, beats on one connection and answers `/health`.

python -m bench.registry.machine COORDINATOR_URL WORKER_ID"""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web

from edgeproxy.cluster.client import CoordinatorClient
from edgeproxy.cluster.messages import Heartbeat, Registration
from edgeproxy.cluster.signer import Signer, load_key


async def live(url: str, worker_id: str, directory: Path) -> None:
    app = web.Application()
    app.router.add_get("/health", _healthy)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    services = [{"name": "edge-proxy", "service_url": f"http://{host}:{port}"}]
    body = {"worker_id": worker_id, "capabilities": {"worker_type": "edge"}, "services": services}
    async with CoordinatorClient(url, None, 5.0, Signer(load_key(directory / "key"))) as client:
        answer = await client.register(Registration.model_validate(body))
        while True:
            beat = Heartbeat.model_validate({"worker_id": worker_id, "services": services})
            answer_now = await client.heartbeat(beat)
            print("beats", flush=True)
            await asyncio.sleep(answer_now.heartbeat_interval or answer.heartbeat_interval)


async def _healthy(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


if __name__ == "__main__":
    with TemporaryDirectory() as directory:
        asyncio.run(live(sys.argv[1], sys.argv[2], Path(directory)))
