"""Start a program for the bench, know when it serves, end it by its pid; its output goes into a log file."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import psutil

from bench.measure import pinned
from bench.peers.base import API_KEY

ROOT = Path(__file__).resolve().parent.parent
READY_S = 20.0
STOP_S = 10.0


class StartFailed(Exception):
    """The program ended, or did not answer in time. The text ends with the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Launched:
    name: str
    process: subprocess.Popen[bytes]
    port: int
    log: Path
    tls: ssl.SSLContext | None

    @property
    def pid(self) -> int:
        return self.process.pid

    def last_lines(self, count: int = 5) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def forget_log(self) -> None:
        """An access log grows by a line a request."""
        os.truncate(self.log, 0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def launched(
    name: str,
    command: Sequence[str],
    *,
    port: int,
    directory: Path,
    core: int | None,
    environment: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Launched]:
    """The program, serving on 127.0.0.1:port; it is gone when the block ends. Raises StartFailed."""
    log = directory / f"{name}.log"
    # A session of its own: Ctrl-C reaches us alone, and we end the program when its last answer is in.
    with log.open("ab") as output, pinned(core):
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=dict(environment or os.environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    program = Launched(name, process, port, log, tls)
    try:
        _wait_until_it_serves(program)
        yield program
    finally:
        ended(process)


def _wait_until_it_serves(program: Launched) -> None:
    deadline = monotonic() + READY_S
    while not _serves(program.port, program.tls):
        code = program.process.poll()
        if code is not None:
            raise StartFailed(f"{program.name} ended with code {code}:\n{program.last_lines()}")
        if monotonic() > deadline:
            raise StartFailed(f"{program.name} did not serve within {READY_S:g} s:\n{program.last_lines()}")
        sleep(0.05)


def _serves(port: int, tls: ssl.SSLContext | None) -> bool:
    """Does a GET, through the proxy if it is one, get 200 from the backend?"""
    with closing(_connection(port, tls)) as connection:
        try:
            connection.request("GET", "/service/ner/bytes/1", headers={"Authorization": f"Bearer {API_KEY}"})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


def _connection(port: int, tls: ssl.SSLContext | None) -> http.client.HTTPConnection:
    if tls:
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=tls)
    return http.client.HTTPConnection("127.0.0.1", port, timeout=2)


def ended(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, then SIGKILL for whatever of the tree is left."""
    try:
        tree = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        tree = []
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, left = psutil.wait_procs(tree, timeout=1)
    for child in left:
        child.kill()
    psutil.wait_procs(left, timeout=1)
