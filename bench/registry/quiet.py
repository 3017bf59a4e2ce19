"""What a quiet fleet costs: CPU of a heartbeat in the registry, and how often anything is written."""

import asyncio
import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.registry.fleet import at, beat, registration
from coordinator.registry import Registry
from coordinator.statefile import StateFile
from edgeproxy.cluster.messages import Heartbeat

WORKERS = 5000
ROUNDS = 60  # five minutes of heartbeats


async def measure(workers: int = WORKERS) -> dict[str, float]:
    registry, random_ = Registry(5.0, new_id=lambda: "nobody"), random.Random(1)
    with TemporaryDirectory() as directory:
        path = Path(directory) / "registry"
        file = StateFile(path, registry)
        messages = []
        for number in range(workers):
            said = registration(number, random_)
            worker = registry.register(said, at(number / 2000))
            beat(registry, worker.worker_id, said.tunnel_url or "", at(number / 2000), 0.2)
            services = [report.model_dump() for report in worker.services or ()]
            body = {"worker_id": worker.worker_id, "services": services, "current_load": 0.2}
            messages.append(Heartbeat.model_validate(body))
        await file.flush()
        before, revision = await _stamp(path), registry.events.revision
        cpu = time.process_time()
        for round_ in range(1, ROUNDS + 1):
            for number, message in enumerate(messages):
                registry.heartbeat(message, at(5 * round_ + number / 2000))
        spent = time.process_time() - cpu
        await file.flush()
        writes = int(await _stamp(path) != before)
    return {
        "heartbeats": workers * ROUNDS,
        "heartbeat_us": spent / workers / ROUNDS * 1e6,
        "state_file_writes": writes,
        "events": registry.events.revision - revision,  # one: the list is settled
    }


async def _stamp(path: Path) -> tuple[int, int]:
    found = await asyncio.to_thread(path.stat)
    return found.st_mtime_ns, found.st_ino
