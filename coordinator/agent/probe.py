"""Find the facts about this machine. Nothing here fails: what cannot be found out is not there."""

import asyncio
import shutil
import socket
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil

from coordinator.agent.detect import Facts, Gpu
from edgeproxy.cluster.client import CoordinatorClient
from edgeproxy.cluster.messages import DialBackAnswer
from edgeproxy.runtime.cpu import usable_cores
from edgeproxy.runtime.memory import usable_memory

GPU_QUERY: Final = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")
GPU_TIMEOUT: Final = 10.0  # a driver that wakes up takes seconds; one that hangs takes for ever
PINGS: Final = 5
DATA_DIRECTORIES: Final = ("/data", "/chroma")  # the seed's
_UNSEEN: Final = DialBackAnswer(reason="not asked")


async def machine(latency_ms: float | None = None, seen: DialBackAnswer = _UNSEEN) -> Facts:
    """`seen`: what the coordinator said of where it sees us."""
    return Facts(
        hostname=socket.gethostname(),
        cpu_cores=usable_cores(),
        memory=usable_memory(int(psutil.virtual_memory().total)),
        gpus=await gpus(),
        addresses=_addresses(),
        latency_ms=latency_ms,
        data_directories=_data_directories(),
        storage=_storage(),
        seen_address=seen.address,
        reachable=seen.reachable,
        reach_reason=seen.reason,
    )


async def gpus(query: tuple[str, ...] = GPU_QUERY, timeout: float = GPU_TIMEOUT) -> list[Gpu]:
    """Empty where the program is absent, fails or hangs."""
    try:
        process = await asyncio.create_subprocess_exec(
            *query, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError:
        return []
    try:
        async with asyncio.timeout(timeout):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return []
    return parse_gpus(output.decode(errors="replace")) if process.returncode == 0 else []


def parse_gpus(output: str) -> list[Gpu]:
    """Lines as `NVIDIA GeForce RTX 3090, 24576 MiB`."""
    found = (line.rpartition(",") for line in output.splitlines()[:64])
    return [Gpu(name.strip()[:200], memory.strip()[:50]) for name, comma, memory in found if comma and name.strip()]


async def latency(client: CoordinatorClient) -> float:
    """Milliseconds to the coordinator and back, the least of several on a warm connection; CoordinatorError."""
    await client.read("/health")
    measured = []
    for _ in range(PINGS):
        started = time.perf_counter()
        await client.read("/health")
        measured.append(time.perf_counter() - started)
    return min(measured) * 1000


def address_towards(url: str) -> str:
    """Our own address on the way to that URL's host; nothing is sent. Loopback if there is no way."""
    parts = urlsplit(url)
    try:
        ways = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_DGRAM)
    except OSError:
        ways = []
    for family, kind, _, _, address in ways:
        try:
            with socket.socket(family, kind) as sock:
                sock.connect(address)
                return str(sock.getsockname()[0])
        except OSError:
            continue  # a family that this machine has no way for
    return "127.0.0.1"


def _data_directories() -> list[str]:
    return [path for path in DATA_DIRECTORIES if Path(path).is_dir()]


def _addresses() -> list[str]:
    families = (socket.AF_INET, socket.AF_INET6)
    every = [entry for entries in psutil.net_if_addrs().values() for entry in entries]
    return [entry.address for entry in every if entry.family in families][:64]


def _storage() -> int:
    """Bytes that are free where data would go."""
    try:
        return shutil.disk_usage(next(iter(_data_directories()), "/")).free
    except OSError:
        return 0


def load() -> float:
    """0 to 1, of all cores, since it was asked last."""
    return min(1.0, float(psutil.cpu_percent()) / 100)


def available_memory() -> str:
    """In the seed's form."""
    return f"{psutil.virtual_memory().available / 1024**3:.1f}GB"
