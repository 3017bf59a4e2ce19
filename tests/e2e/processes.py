"""Real processes for the end-to-end tests: started on free ports, waited for, ended by pid."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 30.0


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Process:
    """One program with its output in a file; ended with everything it started."""

    def __init__(self, argv: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("EDGEPROXY_", "COORD"))}
        if os.environ.get("EDGEPROXY_PURE"):
            clean["EDGEPROXY_PURE"] = os.environ["EDGEPROXY_PURE"]
        self.log = log
        with log.open("ab") as out:
            self.popen = subprocess.Popen(
                [sys.executable, *argv],
                env={**clean, "PYTHONUNBUFFERED": "1", **(environment or {})},
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def wait(self, seconds: float = 20.0) -> int:
        return self.popen.wait(seconds)

    def stop(self) -> None:
        """TERM, then KILL for the whole group."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGCONT)
            self.popen.terminate()
            try:
                self.popen.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.popen.pid, signal.SIGKILL)
                self.popen.wait()

    def output(self) -> str:
        return self.log.read_text(errors="replace")


def wait_for(url: str, process: Process | None = None, seconds: float = START_SECONDS) -> None:
    """Until the URL answers 200."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process is not None and process.popen.poll() is not None:
            raise AssertionError(f"ended with {process.popen.returncode}:\n{process.output()}")
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.05)
    raise AssertionError(f"no answer from {url}\n{process.output() if process else ''}")


class Proxy(Process):
    """`edgeproxy serve` or `balance` on ports of its own."""

    def __init__(self, log: Path, mode: str = "serve", **variables: str) -> None:
        self.port, self.admin_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.admin_url = f"http://127.0.0.1:{self.admin_port}"
        environment = {
            "EDGEPROXY_HOST": "127.0.0.1",
            "EDGEPROXY_PORT": str(self.port),
            "EDGEPROXY_ADMIN_PORT": str(self.admin_port),
            "EDGEPROXY_PROCESSES": "2",
            "EDGEPROXY_DRAIN": "5",
            **variables,
        }
        super().__init__(["-m", "edgeproxy", mode], log, environment)
        wait_for(f"{self.admin_url}/readyz", self)


class Backend(Process):
    """One worker; `port` may be given to start it again where it was."""

    def __init__(self, name: str, log: Path, port: int | None = None) -> None:
        self.name = name
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__(["-m", "tests.e2e.backend", str(self.port), name], log)
        wait_for(f"{self.url}/health", self)
