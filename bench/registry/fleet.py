"""Workers as they really are: what the universal agent says of a machine, and what it runs."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from coordinator.registry import Now, Registry
from edgeproxy.cluster.messages import Heartbeat, Registration

START = datetime(2026, 1, 2, tzinfo=UTC)
KINDS = ("gpu", "cpu", "cpu", "storage", "edge")
WORDS = ("alder", "birch", "cedar", "elder", "hazel", "maple", "rowan", "thorn")


def at(seconds: float) -> Now:
    return Now(seconds, START + timedelta(seconds=seconds))


def registration(number: int, random_: random.Random) -> Registration:
    """Every string is one of its own, as they are when they come by JSON."""
    kind = KINDS[number % len(KINDS)]
    host = "-".join(random_.sample(WORDS, 4)) + f"-{number}"
    gpu = {"gpu_type": "NVIDIA GeForce RTX 3090", "gpu_memory": "24576 MiB", "gpu_driver": "550.54.14"}
    capabilities: dict[str, Any] = {
        "hostname": f"lab-{random_.randrange(10**6)}",
        "cpu_cores": random_.choice((4, 8, 16, 32)),
        "has_gpu": kind == "gpu",
        "worker_type": kind,
        "low_latency": random_.random() < 0.5,
        "latency_ms": round(random_.uniform(1, 200), 2),
        "has_edge": kind == "edge",
        "ram": f"{random_.choice((8, 16, 31, 62))}GB",
        **(gpu if kind == "gpu" else {}),
    }
    return Registration(
        worker_id=f"worker-{random_.randrange(16**16):016x}",
        tunnel_url=f"https://{host}.trycloudflare.com",
        region=random_.choice(("eu-west", "us-east", "asia")),
        capabilities=capabilities,
        services=[],
        runnable=None,
    )


def beat(registry: Registry, worker_id: str, tunnel: str, now: Now, load: float) -> None:
    """What an agent says that obeys: all that it was told runs, each service at a URL of its own."""
    worker = registry.workers[worker_id]
    services = [
        {
            "name": name,
            "service_url": f"{tunnel}/{name}",
            "port": registry.catalog[name].spec.port,
            "health_path": "/health",
            "status": "healthy",
        }
        for name in worker.assigned
    ]
    message = {
        "worker_id": worker_id,
        "current_load": load,
        "services": services,
        "available_memory": f"{load * 60:.1f}GB",
        "services_status": {service["name"]: "healthy" for service in services},
    }
    registry.heartbeat(Heartbeat.model_validate(message), now)
