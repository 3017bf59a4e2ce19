"""A coordinator under test, on a core of its own, and its CPU time."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson

_TICKS = os.sysconf("SC_CLK_TCK")
START_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Coordinator:
    """`pid` is the process that serves."""

    host: str
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def cpu(self) -> float:
        """Seconds of user and system time so far."""
        with open(f"/proc/{self.pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self) -> int:
        """Bytes that are resident."""
        with open(f"/proc/{self.pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def coordinator(core: int | None = None, **variables: str) -> AsyncIterator[Coordinator]:
    """`core` is the one that it may use."""
    ours = ("COORDINATOR_", "API_KEY")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "coordinator", "serve", "--host", "127.0.0.1", "--port", "0"),
        env={**environment, **variables, "LOG_FORMAT": "json"},
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
    )
    try:
        assert process.stdout is not None
        said: dict[str, int] = {}
        async with asyncio.timeout(START_TIMEOUT):
            while not {"pid", "port"} <= said.keys():
                line = orjson.loads(await process.stdout.readline())
                if line.get("event") == "ready":
                    said["pid"] = line["pids"][0]
                elif line.get("event") == "the coordinator serves":
                    said["port"] = line["port"]
        yield Coordinator("127.0.0.1", said["port"], said["pid"])
    finally:
        process.terminate()
        await process.communicate()
