"""How exactly a limit holds: over two processes of a machine, and over two machines by one Redis."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.guard.edges import Place, edge, request
from bench.guard.load import Load
from bench.guard.report import Line
from bench.launch import Launched, free_port

RATE = 1000


async def processes(where: Place, seconds: float) -> Line:
    variables = {"EDGEPROXY_RATE_LIMIT": f"{RATE}/second;burst=100"}
    with edge(where, "edge-two", variables, processes=2) as two:
        admitted = await _admitted([two], seconds)
    return Line(
        "two processes under 1,000/s admit",
        f"{admitted:.1f}/s",
        f"{admitted / RATE - 1:+.2%}",
        _near(admitted, 0.01),
        "guard-exact",
    )


async def machines(where: Place, seconds: float) -> Line:
    with redis(where.directory) as url, ExitStack() as stack:
        variables = {"EDGEPROXY_RATE_LIMIT": f"{RATE}/second;burst=100", "SHARED_STORE_URL": url}
        edges = [stack.enter_context(edge(where, f"edge-{name}", variables)) for name in ("left", "right")]
        admitted = await _admitted(edges, seconds)
    return Line(
        "two machines on one Redis under 1,000/s admit",
        f"{admitted:.1f}/s",
        f"{admitted / RATE - 1:+.2%}",
        _near(admitted, 0.05),
        "guard-shared",
    )


def _near(admitted: float, part: float) -> bool:
    return abs(admitted / RATE - 1) <= part


async def _admitted(edges: list[Launched], seconds: float) -> float:
    """Answers a second with 200, by all edges together, when each is asked as fast as it can answer."""
    async with asyncio.TaskGroup() as group:
        loads = [group.create_task(Load(request(), each.port).open(16)) for each in edges]
    opened = [each.result() for each in loads]
    try:
        await asyncio.gather(*(load.run(2.0) for load in opened))  # the bursts are spent
        results = await asyncio.gather(*(load.run(seconds) for load in opened))
    finally:
        for load in opened:
            await load.__aexit__()
    total: Counter[bytes] = sum((statuses for statuses, _ in results), Counter())
    return total[b"200"] / max(elapsed for _, elapsed in results)


@contextmanager
def redis(directory: Path) -> Iterator[str]:
    """The URL of a Redis of our own."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise RuntimeError("no redis-server is installed")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([*command, "--dir", str(directory)], stdout=subprocess.DEVNULL)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)
