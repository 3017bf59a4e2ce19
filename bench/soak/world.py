"""Edge and workers as processes: started, killed and started again at the same ports; nothing outlives the block."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import ssl
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

import psutil

from bench.launch import ROOT, StartFailed, ended, free_port
from bench.measure import ProcessEnded, read_memory

READY_S = 60.0
WORKERS = 3
FOREIGN = ("EDGEPROXY_", "COORDINATOR_", "SHARED_STORE_", "API_KEY", "WORKER_")
SETTINGS = {
    "EDGEPROXY_HOST": "127.0.0.1",
    "EDGEPROXY_PROCESSES": "2",
    "EDGEPROXY_HEALTH_INTERVAL": "1",
    "EDGEPROXY_TIMEOUT_FIRST_BYTE": "3",
    "EDGEPROXY_TIMEOUT_CONNECT": "1",
    "EDGEPROXY_TIMEOUT_HEAD": "3",
    "EDGEPROXY_DRAIN": "10",
    "EDGEPROXY_ACCESS_LOG": "json",
}


@dataclass(frozen=True, slots=True)
class Size:
    """Of the edge's process tree: bytes (PSS), open descriptors, processes."""

    memory: int
    descriptors: int
    processes: int


@dataclass(slots=True)
class Worker:
    port: int
    log: Path
    program: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "bench.soak.worker", "--port", str(self.port), "--log", str(self.log)]
        self.program = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def send(self, number: signal.Signals) -> None:
        if self.program:
            self.program.send_signal(number)
            if number is signal.SIGKILL:
                self.program.wait()

    async def misbehave(self, mode: str) -> None:
        await asyncio.to_thread(get, self.port, f"/fault/{mode}")

    def executed(self) -> Counter[int]:
        lines = self.log.read_bytes().split() if self.log.exists() else []
        return Counter(map(int, lines))


@dataclass(slots=True)
class World:
    """`output` is where the edge writes its access log: a file, or /dev/full. `extra` are variables of the edge,
    `prefix` what a worker's paths begin with there, `tls` what its users trust."""

    directory: Path
    output: Path | None = None
    extra: dict[str, str] = field(default_factory=dict)
    prefix: str = ""
    tls: ssl.SSLContext | None = None
    port: int = field(default_factory=free_port)
    admin: int = field(default_factory=free_port)
    workers: list[Worker] = field(default_factory=list)
    edge: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Raises StartFailed."""
        self.start_workers()
        self.start_edge()

    def start_workers(self) -> None:
        self.workers = [Worker(free_port(), self.directory / f"executed-{number}") for number in range(WORKERS)]
        for worker in self.workers:
            worker.start()
        for worker in self.workers:
            until_serving(worker.port, "worker", worker.program)

    def upstreams(self) -> dict[str, str]:
        urls = ",".join(f"http://127.0.0.1:{worker.port}" for worker in self.workers)
        return {"EDGEPROXY_UPSTREAMS": urls}

    def start_edge(self) -> None:
        own = {
            "EDGEPROXY_PORT": str(self.port),
            "EDGEPROXY_ADMIN_PORT": str(self.admin),
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        with (self.output or self.directory / "access.log").open("ab") as output, self.log.open("ab") as errors:
            self.edge = subprocess.Popen(
                [sys.executable, "-m", "edgeproxy", "serve"],
                cwd=ROOT,
                env=kept | SETTINGS | own | self.upstreams() | self.extra,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
        until_serving(self.port, "edge", self.edge, f"{self.prefix}/health", self.tls)

    @property
    def log(self) -> Path:
        return self.directory / "edge.log"

    @property
    def serving(self) -> list[psutil.Process]:
        """The edge's processes below its supervisor."""
        assert self.edge
        return psutil.Process(self.edge.pid).children()

    def size(self) -> Size:
        """Raises ProcessEnded while processes come and go."""
        assert self.edge
        try:
            tree = [parent := psutil.Process(self.edge.pid), *parent.children(recursive=True)]
            descriptors = sum(process.num_fds() for process in tree)
        except psutil.Error as error:
            raise ProcessEnded("a process ended while it was read") from error
        return Size(read_memory(self.edge.pid), descriptors, len(tree))

    def executed(self) -> Counter[int]:
        return sum((worker.executed() for worker in self.workers), Counter())

    def stop(self) -> None:
        for program in (self.edge, *(worker.program for worker in self.workers)):
            if program and program.poll() is None:
                program.send_signal(signal.SIGCONT)
                ended(program)


def until_serving(
    port: int,
    name: str,
    program: subprocess.Popen[bytes] | None,
    path: str = "/health",
    tls: ssl.SSLContext | None = None,
) -> None:
    until = monotonic() + READY_S
    while True:
        try:
            if get(port, path, tls) == 200:
                return
        except OSError:
            pass
        sleep(0.05)
        if program and (code := program.poll()) is not None:
            raise StartFailed(f"the {name} ended with {code}")
        if monotonic() > until:
            raise StartFailed(f"the {name} did not come up in {READY_S:.0f} s")


def get(port: int, path: str, tls: ssl.SSLContext | None = None) -> int:
    """The status. Raises OSError."""
    connection = (
        http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=tls)
        if tls
        else http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    )
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()
