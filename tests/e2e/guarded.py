"""What the tests of the guard ask of an edge."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from tests.e2e.processes import Proxy

Start = Callable[..., Any]


def get(edge: Proxy, path: str = "/who", **fields: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return httpx.get(edge.url + path, headers=named, timeout=30)  # that it is served, not how fast: machines of CI vary


def raw(edge: Proxy, data: bytes) -> bytes:
    """What comes back on a connection of its own, until it ends: by a reset even before anything was sent, where
    the client is not wanted."""
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", edge.port), timeout=10) as sock:
            sock.sendall(data)
            while piece := sock.recv(65536):
                answer += piece
    except ConnectionError:
        pass
    return answer


def metric(edge: Proxy, line: str) -> float:
    page = httpx.get(f"{edge.admin_url}/metrics", timeout=30).text
    found = [each for each in page.splitlines() if each.startswith(line)]
    return float(found[0].rpartition(" ")[2]) if found else 0.0


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


class Server:
    """Answers GET by path with a JSON document; counts by path how often it was asked."""

    def __init__(self, documents: Mapping[str, Any]) -> None:
        self.documents = dict(documents)
        self.asked: dict[str, int] = {}
        outer = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                outer.asked[path] = outer.asked.get(path, 0) + 1
                known = path in outer.documents
                body = json.dumps(outer.documents.get(path)).encode()
                self.send_response(200 if known else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def worker_list(**services: str) -> dict[str, Any]:
    """A coordinator's: one worker for each service, at this URL."""
    workers = [
        {
            "worker_id": f"w-{name}",
            "worker_type": "cpu",
            "status": "healthy",
            "tunnel_url": url,
            "assigned_services": [name],
            "capabilities": {},
            "last_heartbeat": 0,
            "registered_at": 0,
        }
        for name, url in services.items()
    ]
    return {"workers": workers, "count": len(workers), "services": list(services), "settled": True}
