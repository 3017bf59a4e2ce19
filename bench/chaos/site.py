"""Workers and one proxy before them, as processes; ended by their pids when the block is left."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
READY_S = 20.0

_NGINX = """daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{ access_log off; client_body_temp_path {directory}/b; proxy_temp_path {directory}/p;
fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
keepalive_requests 1000000;
upstream workers {{ {servers} keepalive 128; keepalive_requests 1000000; }}
server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://workers; proxy_http_version 1.1;
proxy_set_header Connection ""; proxy_connect_timeout 1s; proxy_next_upstream error timeout; }} }} }}
"""
_HAPROXY = """global
    nbthread 1
defaults
    mode http
    timeout connect 1s
    timeout client 75s
    timeout server 75s
    retries 2
    option redispatch 1
    retry-on conn-failure empty-response
    http-reuse always
frontend edge
    bind 127.0.0.1:{port} backlog 4096
    default_backend workers
backend workers
    balance roundrobin
    option httpchk GET /health
    default-server inter 2s fall 2 rise 2
{servers}
"""


@dataclass
class Site:
    """`workers` by number; `port` is the proxy's, `admin_port` edgeproxy's alone."""

    directory: Path
    port: int
    admin_port: int
    worker_ports: list[int]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def events(self) -> dict[str, int]:
        """What edgeproxy's balancing counted."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=5) as page:
            lines = page.read().decode().splitlines()
        start = 'edgeproxy_balance_events_total{event="'
        rows = (line[len(start) :].split('"} ') for line in lines if line.startswith(start))
        return {name: int(float(value)) for name, value in rows}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


PROXIES = ("edgeproxy", "nginx", "haproxy")


@contextmanager
def site(
    proxy: str, directory: Path, seconds: Sequence[float], *, serial: bool = False, **variables: str
) -> Iterator[Site]:
    """A worker for each of `seconds`, and the proxy; `variables` are edgeproxy's."""
    made = Site(directory, free_port(), free_port(), [free_port() for _ in seconds])
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for port, each in zip(made.worker_ports, seconds, strict=True):
            command = [sys.executable, "-m", "bench.chaos.worker", str(port), str(each), *(["serial"] * serial)]
            processes.append(_start(command, directory / "workers.log", {}))
        made.workers = list(processes)
        for port in made.worker_ports:
            _wait(f"http://127.0.0.1:{port}/health")
        command, environment = _command(proxy, made, variables)
        processes.append(_start(command, directory / f"{proxy}.log", environment))
        ready = f"{made.admin_port}/readyz" if proxy == "edgeproxy" else f"{made.port}/health"
        _wait(f"http://127.0.0.1:{ready}")
        yield made
    finally:
        for process in reversed(processes):
            _end(process)


def _command(proxy: str, made: Site, variables: Mapping[str, str]) -> tuple[list[str], Mapping[str, str]]:
    if proxy == "edgeproxy":
        upstreams = ",".join(f"http://127.0.0.1:{port}" for port in made.worker_ports)
        ours = {
            "EDGEPROXY_HOST": "127.0.0.1",
            "EDGEPROXY_PORT": str(made.port),
            "EDGEPROXY_ADMIN_PORT": str(made.admin_port),
            "EDGEPROXY_PROCESSES": "1",
            "EDGEPROXY_HEALTH_INTERVAL": "2",
        }
        if "COORDINATOR_URL" not in variables:
            ours["EDGEPROXY_UPSTREAMS"] = upstreams
        return [sys.executable, "-m", "edgeproxy", "serve"], ours | dict(variables)
    file = made.directory / f"{proxy}.cfg"
    if proxy == "nginx":
        servers = " ".join(f"server 127.0.0.1:{port};" for port in made.worker_ports)
        file.write_text(_NGINX.format(directory=made.directory, port=made.port, servers=servers))
        return [found("nginx"), "-c", str(file)], {}
    servers = "\n".join(f"    server w{port} 127.0.0.1:{port} check" for port in made.worker_ports)
    file.write_text(_HAPROXY.format(port=made.port, servers=servers))
    return [found("haproxy"), "-f", str(file)], {}


def found(program: str) -> str:
    """Its path; "" where it is not installed."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin") or ""


def _start(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    pure = "EDGEPROXY_PURE"  # how it runs, and no setting
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == pure or not name.startswith(("EDGEPROXY_", "COORDINATOR"))
    }
    with log.open("ab") as output:
        return subprocess.Popen(
            command, cwd=ROOT, env={**kept, **environment}, stdout=output, stderr=output, start_new_session=True
        )


def _wait(url: str) -> None:
    end = time.monotonic() + READY_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
