"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.guarded import Server
from tests.e2e.processes import Backend, Process, Proxy


@pytest.fixture
def started() -> Iterator[list[Process]]:
    """What a test starts; ended in reverse order."""
    processes: list[Process] = []
    yield processes
    for process in reversed(processes):
        process.stop()


@pytest.fixture
def backend(started: list[Process], tmp_path: Path) -> Callable[..., Backend]:
    def start(name: str = "one", port: int | None = None) -> Backend:
        process = Backend(name, tmp_path / f"{name}.log", port)
        started.append(process)
        return process

    return start


@pytest.fixture
def proxy(started: list[Process], tmp_path: Path) -> Callable[..., Proxy]:
    def start(mode: str = "serve", **variables: str) -> Proxy:
        process = Proxy(tmp_path / f"{mode}.log", mode, **variables)
        started.append(process)
        return process

    return start


@pytest.fixture
def edge(backend: Callable[..., Backend], proxy: Callable[..., Proxy]) -> Callable[..., Proxy]:
    """An edge before one worker."""

    def start(**variables: str) -> Proxy:
        return proxy("serve", EDGEPROXY_UPSTREAMS=backend().url, **variables)

    return start


@pytest.fixture
def documents() -> Iterator[Callable[[Mapping[str, Any]], Server]]:
    """Servers of JSON documents."""
    servers: list[Server] = []

    def start(documents: Mapping[str, Any]) -> Server:
        servers.append(Server(documents))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
