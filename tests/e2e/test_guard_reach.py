"""A worker that names an address which is not its own to name: nothing is ever sent there."""

from __future__ import annotations

import socket
from collections.abc import Callable

import httpx
import pytest

from tests.e2e.guarded import Start, worker_list
from tests.e2e.processes import Backend, Proxy


@pytest.fixture
def coordinator(documents: Start) -> Callable[[str], str]:
    """A coordinator that lists one worker, at any address."""
    return lambda worker_url: documents({"/api/coordinator/workers": worker_list(notes=worker_url)}).url


def test_a_workers_word_does_not_make_us_speak_to_ourselves(
    coordinator: Callable[[str], str], proxy: Callable[..., Proxy]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as secret:
        secret.settimeout(1.5)
        port = secret.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            edge = proxy(
                "serve",
                COORDINATOR_URL=coordinator(f"http://{host}:{port}"),
                EDGEPROXY_WORKER_NETWORKS="10.0.0.0/8",
                EDGEPROXY_HEALTH_INTERVAL="0.2",
            )
            answer = httpx.get(f"{edge.url}/service/notes/x", timeout=10)
            assert answer.status_code in (502, 503)
            with pytest.raises(TimeoutError):
                secret.accept()


def test_where_the_coordinator_is_a_worker_may_be(
    coordinator: Callable[[str], str], proxy: Callable[..., Proxy], backend: Callable[..., Backend]
) -> None:
    edge = proxy("serve", COORDINATOR_URL=coordinator(backend().url))
    assert httpx.get(f"{edge.url}/service/notes/x").status_code == 200
