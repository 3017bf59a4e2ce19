"""Runs the locust files against a fleet of its own: the demo's for users, a coordinator alone for machines."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from bench.launch import ROOT, StartFailed, ended, free_port
from bench.users import RESULT

READY_S = 90.0
OVER_S = 60.0
"""What locust may take beyond its time, for its start and the last answers."""
FOREIGN = ("EDGEPROXY_", "COORDINATOR_", "DEMO_", "WORKER_", "API_KEY", "LOCUST_")

Tick = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Load:
    users: int = 20
    seconds: int = 20


def run(name: str, load: Load, host: str, tick: Tick) -> dict[str, Any]:
    """What `targets` left, the exit code and the words of locust; `tick` is called about twice a second."""
    with tempfile.TemporaryDirectory(prefix="edgeproxy-users-") as made:
        result, log = Path(made) / "result.json", Path(made) / "locust.log"
        with log.open("wb") as output:
            environment = _own() | {RESULT: str(result), "PYTHONPATH": str(ROOT)}
            program = subprocess.Popen(
                _command(name, load, host), cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
            code = _waited(program, load.seconds + OVER_S, tick)
        words = log.read_text(errors="replace")
        found = json.loads(result.read_text()) if result.exists() else {"targets": [], "requests": []}
        return {**found, "code": code, "output": words}


def _command(name: str, load: Load, host: str) -> list[str]:
    file = str(ROOT / "bench" / "users" / f"{name}.py")
    how_much = ["-u", str(load.users), "-r", str(max(1, load.users // 4)), "-t", f"{load.seconds}s"]
    return [sys.executable, "-m", "locust", "-f", file, "--headless", "--only-summary", *how_much, "--host", host]


def _waited(program: subprocess.Popen[bytes], seconds: float, tick: Tick) -> int:
    until = monotonic() + seconds
    try:
        while program.poll() is None and monotonic() < until:
            tick("running")
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(0.5)
    finally:
        if program.poll() is None:
            program.kill()
        program.wait()
    return program.returncode


def _own() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}


@contextmanager
def serving(name: str, tick: Tick) -> Iterator[tuple[str, int]]:
    """The URL that this scenario's users talk to, and the pid of the program behind it, which is gone afterwards.
    Raises StartFailed."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgeproxy-fleet-")))
        if name == "machines":
            yield stack.enter_context(_coordinator(directory, tick))
        else:
            yield stack.enter_context(_fleet(directory, tick))


@contextmanager
def _coordinator(directory: Path, tick: Tick) -> Iterator[tuple[str, int]]:
    port = free_port()
    own = {"COORDINATOR_HOST": "127.0.0.1", "COORDINATOR_PORT": str(port)}
    with _started(["coordinator", "serve"], own, directory, tick, [f"http://127.0.0.1:{port}/healthz"]) as pid:
        yield f"http://127.0.0.1:{port}", pid


@contextmanager
def _fleet(directory: Path, tick: Tick) -> Iterator[tuple[str, int]]:
    edge, balancer = _free_pair(), _free_pair()
    own = {
        "EDGEPROXY_PORT": str(edge),
        "DEMO_BALANCER_PORT": str(balancer),
        "COORDINATOR_PORT": str(free_port()),
        "DEMO_DIRECTORY": str(directory / "demo"),
    }
    url = f"http://127.0.0.1:{edge}"
    ready = [f"{url}/v1/models", f"{url}/service/rag/health", f"{url}/service/upload/health"]
    with _started(["coordinator.demo"], own, directory, tick, ready) as pid:
        yield url, pid


def _free_pair() -> int:
    """A port of which the one that is 1000 above is free too: the admin listener's."""
    for _ in range(50):
        port = free_port()
        with socket.socket() as probe, contextlib.suppress(OSError, OverflowError):
            probe.bind(("127.0.0.1", port + 1000))
            return port
    raise StartFailed("no two free ports 1000 apart")


@contextmanager
def _started(words: list[str], own: dict[str, str], directory: Path, tick: Tick, ready: list[str]) -> Iterator[int]:
    log = directory / "log"
    with log.open("wb") as output:
        program = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            env=_own() | own,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _until_ready(program, ready, log, tick)
        yield program.pid
    finally:
        ended(program)


def _until_ready(program: subprocess.Popen[bytes], urls: list[str], log: Path, tick: Tick) -> None:
    until = monotonic() + READY_S
    while not all(map(_answers, urls)):
        if program.poll() is not None or monotonic() > until:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise StartFailed(f"the fleet did not come up:\n{last}")
        tick("starting")
        sleep(0.3)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
