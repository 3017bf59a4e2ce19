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
from time import monotonic, sleep

from redis import Redis
from redis.exceptions import RedisError

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
        super().__init__(directory)
        self._offset = directory / "offset"
        self._offset.write_bytes(struct.pack("q", 0))
        self.extra |= {"LD_PRELOAD": str(preloaded_clock(directory)), "CLOCK_OFFSET_FILE": str(self._offset)}

    def jump(self, seconds: int) -> None:
        with self._offset.open("r+b") as file:
            file.write(struct.pack("q", seconds))


def preloaded_clock(directory: Path) -> Path:
    """The library, compiled. Raises StartFailed."""
    if (compiler := shutil.which("cc")) is None:
        raise StartFailed(no_compiler() or "")
    library, source = directory / "clock.so", Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)], check=True, timeout=60)
    return library


class Encrypted(World):
    """TLS, with a certificate whose files can go away."""

    def __init__(self, directory: Path) -> None:
        made = certificate.make(directory)
        self._files = (made.chain, made.key)
        super().__init__(directory, tls=made.trusted())
        self.extra |= {"EDGEPROXY_TLS_CERT": str(made.chain), "EDGEPROXY_TLS_KEY": str(made.key)}

    @contextmanager
    def without_certificate(self) -> Iterator[None]:
        away = [(file, file.rename(file.with_suffix(".away"))) for file in self._files]
        try:
            yield
        finally:
            for file, moved in away:
                moved.rename(file)


class Coordinated(World):
    """The workers are known from coordinators alone; a thread registers them and sends their heartbeats."""

    count = 1
    """Coordinators."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.prefix = f"/service/{SERVICE}"
        self._ports = [free_port() for _ in range(self.count)]
        self.coordinators: list[subprocess.Popen[bytes]] = []
        urls = ",".join(map(self._url, self._ports))
        self.extra |= {"COORDINATOR_URL": urls, "EDGEPROXY_WORKER_LIST_REFRESH": "1"}
        self._done = Event()
        self._beating = Thread(target=self._beat, daemon=True)

    def _url(self, port: int) -> str:
        return f"http://127.0.0.1:{port}"

    def upstreams(self) -> dict[str, str]:
        return {}

    def start(self) -> None:
        self.start_workers()
        self.start_coordinators()
        self._beating.start()
        self.start_edge()

    def start_coordinators(self) -> None:
        """Those that do not run. Raises StartFailed."""
        running = self.coordinators or [None] * self.count
        self.coordinators = [
            one if one and one.poll() is None else self._coordinator(port)
            for one, port in zip(running, self._ports, strict=True)
        ]
        for port, program in zip(self._ports, self.coordinators, strict=True):
            until_serving(port, "coordinator", program)

    def _coordinator(self, port: int) -> subprocess.Popen[bytes]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        own = {"COORDINATOR_HOST": "127.0.0.1", "COORDINATOR_PORT": str(port), **self.coordinator_settings()}
        with (self.directory / "coordinator.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "coordinator", "serve"],
                cwd=ROOT,
                env=kept | own,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def coordinator_settings(self) -> dict[str, str]:
        return {}

    def _beat(self) -> None:
        """A registration is a heartbeat too, and all that a coordinator without a memory needs."""
        while not self._done.wait(BEAT_S / 5):
            for number, worker in enumerate(self.workers):
                self._register(f"soak-{number}", f"http://127.0.0.1:{worker.port}")
            self._done.wait(BEAT_S)

    def _register(self, name: str, url: str) -> None:
        """With the first coordinator that takes it, as agents do."""
        report = {"name": SERVICE, "service_url": url, "health_path": "/health", "status": "healthy"}
        body = {"worker_id": name, "tunnel_url": url, "capabilities": {"worker_type": "cpu"}, "services": [report]}
        for port in self._ports:
            request = urllib.request.Request(
                f"{self._url(port)}/api/worker/register",
                json.dumps(body).encode(),
                {"Content-Type": "application/json"},
            )
            with suppress(OSError), urllib.request.urlopen(request, timeout=READY_S / 10):
                return

    def stop(self) -> None:
        self._done.set()
        super().stop()
        for program in self.coordinators:
            if program.poll() is None:
                ended(program)


class Shared(Coordinated):
    """Two coordinators share their registry by a Redis, and the edge its limits."""

    count = 2
    LIMIT = "5000/second;burst=5000"
    """Never reached, and small enough that the store is asked for tokens several times a second."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._redis_port = free_port()
        self.redis: subprocess.Popen[bytes] | None = None
        self.extra |= {"EDGEPROXY_RATE_LIMIT": self.LIMIT, **self.coordinator_settings()}

    def coordinator_settings(self) -> dict[str, str]:
        return {"SHARED_STORE_URL": f"redis://127.0.0.1:{self._redis_port}/0"}

    def start(self) -> None:
        self.start_redis()
        super().start()

    def start_redis(self) -> None:
        """Empty. Raises StartFailed."""
        if (program := _redis_program()) is None:
            raise StartFailed(no_redis() or "")
        options = ["--port", str(self._redis_port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with (self.directory / "redis.log").open("ab") as log:
            self.redis = subprocess.Popen([program, *options, "--dir", str(self.directory)], stdout=log, stderr=log)
        until = monotonic() + READY_S
        while self.kept() is None:
            if monotonic() > until or self.redis.poll() is not None:
                raise StartFailed("redis-server did not come up")
            sleep(0.05)

    def kept(self) -> frozenset[str] | None:
        """Who has something in the store: `limits`, `registry`; None while it does not answer."""
        try:
            with Redis(port=self._redis_port, socket_timeout=1) as store:
                keys = [key.decode() for key in store.scan_iter(count=1000)]
        except RedisError:
            return None
        return frozenset("limits" if "LIMIT" in key else "registry" for key in keys)

    def stop(self) -> None:
        super().stop()
        if self.redis and self.redis.poll() is None:
            self.redis.kill()
            self.redis.wait()


class Whole(Shared, Clockwork):
    """What mixtures are done to."""


class Sealed(Whole, Encrypted):
    """The same behind TLS, and its disk is full all the time."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.output = Path("/dev/full")


def no_compiler() -> str | None:
    return None if shutil.which("cc") else "a clock that jumps needs a C compiler, cc"


def no_redis() -> str | None:
    return None if _redis_program() else "there is no redis-server and no valkey-server"


def _redis_program() -> str | None:
    return shutil.which("redis-server") or shutil.which("valkey-server")
