"""The supervised program of `program.py` as a process, seen from outside."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("program.py")
PATIENCE = 30.0  # seconds for anything to happen: far above what it takes, so that a slow machine fails nothing


def until(condition: Callable[[], Any]) -> Any:
    """The first true value of the condition."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return value


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class Fleet:
    """`events` are what the supervisor reported on its standard output, as they come."""

    def __init__(self, mood: Path, **environment: str) -> None:
        self.mood = mood
        self.events: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), "serve"],
            env={**os.environ, "MOOD": str(mood), "LOG_FORMAT": "json", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._readers = [threading.Thread(target=self._read), threading.Thread(target=self._read_errors)]
        self.errors = b""
        for reader in self._readers:
            reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def _read_errors(self) -> None:
        assert self.process.stderr
        self.errors = self.process.stderr.read()

    def close(self) -> None:
        """Whatever state it is in, nothing is left of it."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        for reader in self._readers:
            reader.join()
        assert self.process.stdout
        assert self.process.stderr
        self.process.stdout.close()
        self.process.stderr.close()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(timeout=PATIENCE)

    def errors_at_the_end(self) -> bytes:
        self._readers[1].join(PATIENCE)
        return self.errors

    def named(self, event: str) -> list[dict[str, Any]]:
        return [e for e in self.events if e["event"] == event]

    def serving(self) -> "Fleet":
        until(lambda: self.named("serving"))
        return self

    @property
    def port(self) -> int:
        return int(self.named("serving")[0]["port"])

    @property
    def first_pids(self) -> list[int]:
        return list(self.named("serving")[0]["pids"])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def ask(self, word: bytes = b"hello") -> dict[str, Any]:
        with self.connect() as connection:
            connection.sendall(word)
            return answer(connection)


def answer(connection: socket.socket) -> dict[str, Any]:
    data = b""
    while chunk := connection.recv(4096):
        data += chunk
    return dict(json.loads(data))
