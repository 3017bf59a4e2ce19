"""Worlds set up for one kind of fault."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from bench import certificate
from bench.launch import ROOT, StartFailed, ended, free_port
from bench.soak.world import FOREIGN, READY_S, World, until_serving

SERVICE = "ner-extraction"
BEAT_S = 1.0


def full_disk(directory: Path) -> World:
    """Every write of the access log fails with ENOSPC."""
    return World(directory, output=Path("/dev/full"))


class Clockwork(World):
    """The edge's wall clock may be told to jump; monotonic clocks, the kernel's, are as they are."""

    def __init__(self, directory: Path) -> None:
        self._offset = directory / "offset"
        self._offset.write_bytes(struct.pack("q", 0))
        library = _compiled(directory)
        super().__init__(directory, extra={"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(self._offset)})

    def jump(self, seconds: int) -> None:
        with self._offset.open("r+b") as file:
            file.write(struct.pack("q", seconds))


def _compiled(directory: Path) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise StartFailed("a clock that jumps needs a C compiler")
    library, source = directory / "clock.so", Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)], check=True, timeout=60)
    return library


class Encrypted(World):
    """TLS, with a certificate whose files can go away."""

    def __init__(self, directory: Path) -> None:
        made = certificate.make(directory)
        self._files = (made.chain, made.key)
        own = {"EDGEPROXY_TLS_CERT": str(made.chain), "EDGEPROXY_TLS_KEY": str(made.key)}
        super().__init__(directory, extra=own, tls=made.trusted())

    @contextmanager
    def without_certificate(self) -> Iterator[None]:
        away = [(file, file.rename(file.with_suffix(".away"))) for file in self._files]
        try:
            yield
        finally:
            for file, moved in away:
                moved.rename(file)


class Coordinated(World):
    """The workers are known from a coordinator alone; a thread registers them and sends their heartbeats."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, prefix=f"/service/{SERVICE}")
        self._port = free_port()
        self.extra = {"COORDINATOR_URL": f"http://127.0.0.1:{self._port}", "EDGEPROXY_WORKER_LIST_REFRESH": "1"}
        self._done = Event()
        self._beating = Thread(target=self._beat, daemon=True)

    def upstreams(self) -> dict[str, str]:
        return {}

    def start(self) -> None:
        self.start_workers()
        self.start_coordinator()
        self._beating.start()
        self.start_edge()

    def start_coordinator(self) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        own = {"COORDINATOR_HOST": "127.0.0.1", "COORDINATOR_PORT": str(self._port)}
        with (self.directory / "coordinator.log").open("ab") as log:
            self.coordinator = subprocess.Popen(
                [sys.executable, "-m", "coordinator", "serve"],
                cwd=ROOT,
                env=kept | own,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until_serving(self._port, "coordinator", self.coordinator)

    def _beat(self) -> None:
        """A registration is a heartbeat too, and all that a coordinator without a memory needs."""
        while not self._done.wait(BEAT_S / 5):
            for number, worker in enumerate(self.workers):
                with suppress(OSError):
                    self._register(f"soak-{number}", f"http://127.0.0.1:{worker.port}")
            self._done.wait(BEAT_S)

    def _register(self, name: str, url: str) -> None:
        report = {"name": SERVICE, "service_url": url, "health_path": "/health", "status": "healthy"}
        body = {"worker_id": name, "tunnel_url": url, "capabilities": {"worker_type": "cpu"}, "services": [report]}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/api/worker/register",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=READY_S / 10):
            pass

    def stop(self) -> None:
        self._done.set()
        super().stop()
        if self.coordinator.poll() is None:
            ended(self.coordinator)
