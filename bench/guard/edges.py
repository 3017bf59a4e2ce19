"""Edges and backend for the guard's measurements: one core for the edge, another for load and backend."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psutil

from bench.launch import Launched, free_port, launched
from bench.measure import Cores, choose_cores
from bench.peers.base import API_KEY
from edgeproxy.settings import ProxySettings

NARROW_KEY = "narrow-key-0123456789"
PATH = "/service/ner/bytes/1024"

OFF = {"EDGEPROXY_RATE_LIMIT": "off", "EDGEPROXY_BAN": "off"}
"""No guard that can be turned off."""

FULL = {
    "EDGEPROXY_API_KEYS": API_KEY,
    "EDGEPROXY_RATE_LIMIT": "1000000000/second",
    "EDGEPROXY_CORS_ORIGINS": "https://app.example.org",
    "EDGEPROXY_HOSTS": "bench,127.0.0.1",
    "EDGEPROXY_DENY": "192.0.2.0/24",
    "EDGEPROXY_TRUSTED_PROXIES": "198.51.100.0/24",
    "EDGEPROXY_ALLOW": "198.51.100.1",
    "EDGEPROXY_BAN": "1000000/second",
}
"""Every guard on, and none in the way."""

RESTING = {"EDGEPROXY_KEEP_ALIVE_REQUESTS": "100000000", "EDGEPROXY_MAX_CONNECTIONS_PER_ADDRESS": "100000"}


@dataclass(frozen=True, slots=True)
class Place:
    directory: Path
    cores: Cores
    upstream: str


@contextmanager
def place(directory: Path) -> Iterator[Place]:
    """A backend on the load's core."""
    cores = choose_cores()
    port = free_port()
    command = [sys.executable, "-m", "bench.backend", "--port", str(port)]
    with launched("backend", command, port=port, directory=directory, core=cores.load):
        yield Place(directory, cores, f"http://127.0.0.1:{port}")


@contextmanager
def edge(
    where: Place, name: str, variables: Mapping[str, str], *, processes: int = 1, core: int | None = -1
) -> Iterator[Launched]:
    """An edge; `core` -1 is the one that is meant for it."""
    port, admin = free_port(), free_port()
    environment = {
        **_clean(),
        "EDGEPROXY_HOST": "127.0.0.1",
        "EDGEPROXY_PORT": str(port),
        "EDGEPROXY_ADMIN_PORT": str(admin),
        "EDGEPROXY_PROCESSES": str(processes),
        "EDGEPROXY_UPSTREAMS": where.upstream,
        **RESTING,
        **variables,
    }
    command = [sys.executable, "-m", "edgeproxy", "serve"]
    chosen = where.cores.proxy if core == -1 else core
    with launched(name, command, port=port, directory=where.directory, core=chosen, environment=environment) as started:
        yield started


def serving(started: Launched) -> list[int]:
    """The pids of the processes that serve."""
    return [child.pid for child in psutil.Process(started.pid).children()]


def _clean() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if name not in ProxySettings.variables()}


def request(**fields: str) -> bytes:
    """A GET as browsers and SDKs send it: seven fields, those of `fields` beside them."""
    lines = [
        f"GET {PATH} HTTP/1.1",
        "Host: bench",
        "User-Agent: bench/1.0",
        "Accept: */*",
        "Accept-Encoding: gzip, deflate",
        *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


KEYED = {"Authorization": f"Bearer {API_KEY}", "Origin": "https://app.example.org"}


def narrow_policy(directory: Path) -> Path:
    path = directory / "policy.toml"
    digest = sha256(NARROW_KEY.encode()).hexdigest()
    path.write_text(f'[keys.narrow]\nsha256 = "{digest}"\nservices = ["llm-inference"]\n')
    return path
