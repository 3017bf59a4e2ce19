"""A coordinator, an edge of one process and lent machines that run the bench's backend, as processes on free ports."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar

import psutil

from bench.launch import ROOT, free_port

KEY = "the join secret of this bench"
PATIENCE_S = 30.0
OURS = ("EDGEPROXY_", "COORDINATOR_", "AGENT_", "WORKER_", "API_KEY", "TUNNEL_")
T = TypeVar("T")


@dataclass
class Fleet:
    """`heartbeat` in seconds. What is started ends with `ended`."""

    directory: Path
    heartbeat: float = 1.0

    def __post_init__(self) -> None:
        self.coordinator_port, self.edge_port, self.admin_port = free_port(), free_port(), free_port()

    @contextmanager
    def coordinator(self) -> Iterator[subprocess.Popen[bytes]]:
        variables = {
            "COORDINATOR_HOST": "127.0.0.1",
            "COORDINATOR_PORT": str(self.coordinator_port),
            "COORDINATOR_HEARTBEAT_INTERVAL": str(self.heartbeat),
        }
        with self._started("coordinator", ["coordinator", "serve"], variables) as process:
            until(lambda: status(self.coordinator_port, "/health") == 200)
            yield process

    @contextmanager
    def edge(self) -> Iterator[subprocess.Popen[bytes]]:
        variables = {
            "EDGEPROXY_HOST": "127.0.0.1",
            "EDGEPROXY_PORT": str(self.edge_port),
            "EDGEPROXY_ADMIN_PORT": str(self.admin_port),
            "EDGEPROXY_PROCESSES": "1",
        }
        with self._started("edge", ["edgeproxy", "serve"], variables) as process:
            until(lambda: status(self.admin_port, "/readyz") == 200)
            yield process

    @contextmanager
    def machine(self, name: str, service: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
        """Returns at once: whether it serves already is what is measured."""
        file = self.directory / f"{name}.toml"
        command = [sys.executable, "-m", "bench.backend", "--port", "{port}"]
        file.write_text(f"[services.{service}]\ncommand = {command}\nport = {free_port()}\nstop_timeout = 2\n")
        own = {
            "WORKER_ID": name,
            "WORKER_TYPE": "cpu",
            "AGENT_SERVICES_FILE": str(file),
            "AGENT_SERVICES": service,
            "AGENT_EDGES": f"http://127.0.0.1:{self.edge_port}",
        }
        with self._started(name, ["coordinator", "agent"], {**own, **variables}) as process:
            yield process

    def workers(self) -> dict[str, Any]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.coordinator_port, timeout=2)) as connection:
            connection.request("GET", "/api/admin/workers")
            return {worker["worker_id"]: worker for worker in json.load(connection.getresponse())["workers"]}

    def serves(self, service: str) -> bool:
        return status(self.edge_port, f"/service/{service}/bytes/1") == 200

    @contextmanager
    def _started(self, name: str, words: list[str], variables: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
        url = {"COORDINATOR_URL": f"http://127.0.0.1:{self.coordinator_port}", "API_KEY": KEY}
        with (self.directory / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=ROOT,
                env={**kept, **url, **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            end(process)


def end(process: subprocess.Popen[bytes], seconds: float = 15.0) -> None:
    """SIGTERM; and if that does not do, SIGKILL for it and its children."""
    if process.poll() is not None:
        return
    children = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        for child in children:
            if child.is_running():
                child.kill()


def status(port: int, path: str) -> int:
    """0 where nobody answers."""
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            connection.request("GET", path)
            return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0


def until(condition: Callable[[], T], seconds: float = PATIENCE_S) -> T:
    """The first true value. Raises TimeoutError."""
    deadline = monotonic() + seconds
    while not (value := _tried(condition)):
        if monotonic() > deadline:
            raise TimeoutError("it did not come about")
        sleep(0.01)
    return value


def _tried(condition: Callable[[], T]) -> T | None:
    try:
        return condition()
    except (OSError, http.client.HTTPException):
        return None
