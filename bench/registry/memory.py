"""What a worker takes in memory, all in: its record, its places in the registry, wheel and fleet, its key.

In a process of its own, by what is resident before and after; the events are in it, the sockets are not."""

import gc
import json
import os
import random
import subprocess
import sys
import time

from bench.registry.fleet import at, beat, registration
from coordinator.registry import Registry

WORKERS = 100_000


def measure(workers: int = WORKERS) -> dict[str, float]:
    out = subprocess.run(
        [sys.executable, "-m", "bench.registry.memory", str(workers)], check=True, stdout=subprocess.PIPE, timeout=900
    )
    found: dict[str, float] = json.loads(out.stdout)
    return found


def resident() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _grow(workers: int) -> dict[str, float]:
    registry, random_ = Registry(5.0, new_id=lambda: "nobody", max_workers=2 * workers), random.Random(1)
    for number in range(200):  # what is made once is not a worker's
        _join(registry, number, random_)
    gc.collect()
    before, cpu = resident(), time.process_time()
    for number in range(200, workers + 200):
        _join(registry, number, random_)
    spent = time.process_time() - cpu
    gc.collect()
    grown = resident() - before
    said = sum(worker.size for worker in registry.workers.values()) / len(registry.workers)
    return {
        "workers": workers,
        "resident_mib": grown / 2**20,
        "bytes_per_worker": grown / workers,
        "packed_bytes": said,
        "joining_us": spent / workers * 1e6,
    }


def _join(registry: Registry, number: int, random_: random.Random) -> None:
    now = at(number / 2000)
    said = registration(number, random_)
    worker = registry.register(said, now)
    worker.credential = b"K" + random_.randbytes(32)
    beat(registry, worker.worker_id, said.tunnel_url or "", now, random_.random())


if __name__ == "__main__":
    print(json.dumps(_grow(int(sys.argv[1]))))
