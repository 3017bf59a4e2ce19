"""A worker that names an address which is not its own to name: nothing is ever sent there."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.e2e.processes import Backend, Proxy


@pytest.fixture
def coordinator() -> Iterator[Callable[[str], str]]:
    """A coordinator that lists one worker, at any address."""
    servers: list[ThreadingHTTPServer] = []

    def start(worker_url: str) -> str:
        record = {
            "worker_id": "w1",
            "worker_type": "cpu",
            "status": "healthy",
            "tunnel_url": worker_url,
            "assigned_services": ["notes"],
            "capabilities": {},
            "last_heartbeat": 0,
            "registered_at": 0,
        }
        body = json.dumps({"workers": [record], "count": 1, "services": ["notes"], "settled": True}).encode()

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


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
