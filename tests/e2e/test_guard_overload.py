"""A running edge that has more to do than it can: who is served then, and who is asked to come again."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.e2e.guarded import Start, eventually, get, metric, worker_list
from tests.e2e.processes import Backend, Proxy

ATTACKERS = 400
FIELDS = b"".join(b"X-Field-%d: of no use\r\n" % number for number in range(95))
PIPELINED = (b"GET /health HTTP/1.1\r\nHost: a\r\n" + FIELDS + b"\r\n") * 40

POLICY = """
[services.notes]
priority = "low"
[services.ocr]
priority = "normal"
[services.ner]
priority = "high"
"""


class Flood:
    """Connections that ask for more than the edge can do, many questions in a packet: it costs them next to nothing."""

    def __init__(self, port: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._ended = False
        for _ in range(ATTACKERS):
            sock = socket.create_connection(("127.0.0.1", port), timeout=10)
            sock.setblocking(False)
            self._selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        buffer = bytearray(1 << 20)
        while not self._ended:
            for key, events in self._selector.select(0.1):
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                try:
                    if events & selectors.EVENT_READ:
                        sock.recv_into(buffer)
                    if events & selectors.EVENT_WRITE:
                        sock.send(PIPELINED)
                except (BlockingIOError, ConnectionError):
                    pass

    def stop(self) -> None:
        self._ended = True
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()


@contextmanager
def flood(port: int) -> Iterator[None]:
    attack = Flood(port)
    try:
        yield
    finally:
        attack.stop()


def test_a_saturated_process_serves_those_first_that_matter_most(
    documents: Start, backend: Callable[..., Backend], proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    url = backend().url
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    edge = proxy(
        "serve",
        COORDINATOR_URL=documents({"/api/coordinator/workers": worker_list(notes=url, ocr=url, ner=url)}).url,
        EDGEPROXY_POLICY=str(policy),
        EDGEPROXY_PROCESSES="1",
        EDGEPROXY_KEEP_ALIVE_REQUESTS="100000000",
        EDGEPROXY_RATE_LIMIT="off",
    )

    def asked(service: str) -> httpx.Response:
        return httpx.get(f"{edge.url}/service/{service}/x", timeout=30)

    eventually(lambda: {asked(service).status_code for service in ("notes", "ocr", "ner")} == {200})
    with flood(edge.port):
        eventually(lambda: [asked("notes").status_code for _ in range(3)] == [503] * 3, 30)
        refused = next(answer for answer in (asked("notes") for _ in range(20)) if answer.status_code == 503)
        assert refused.headers["retry-after"] == "1"
        assert refused.json()["type"] == "urn:edgeproxy:problem:overloaded"
        assert [asked("ner").status_code for _ in range(5)] == [200] * 5
        eventually(lambda: [asked("ocr").status_code for _ in range(5)] == [200] * 5, 30)
        assert httpx.get(f"{edge.url}/health", timeout=30).status_code == 200
        assert httpx.get(f"{edge.admin_url}/healthz", timeout=5).status_code == 200
        assert metric(edge, 'edgeproxy_faults_total{fault="overloaded"}') > 0
    eventually(lambda: all(asked("notes").status_code == 200 for _ in range(5)), 30)


def test_a_worker_that_holds_its_requests_does_not_take_the_process_with_it(
    edge: Start, backend: Callable[..., Backend]
) -> None:
    """One worker, four places, a queue of two: the rest is told to come again, and the admin listener answers."""
    served = edge(
        EDGEPROXY_PROCESSES="1",
        EDGEPROXY_MAX_IN_FLIGHT="4",
        EDGEPROXY_QUEUE="2",
        EDGEPROXY_QUEUE_TIMEOUT="20",
    )
    held = [socket.create_connection(("127.0.0.1", served.port), timeout=20) for _ in range(6)]
    try:
        for sock in held:
            sock.sendall(b"GET /sleep/1.5 HTTP/1.1\r\nHost: a\r\n\r\n")
        eventually(lambda: metric(served, "edgeproxy_open_connections") >= 6)
        busy = get(served)
        assert (busy.status_code, busy.headers["retry-after"]) == (503, "2")
        assert busy.json()["type"] == "urn:edgeproxy:problem:workers_busy"
        assert httpx.get(f"{served.admin_url}/healthz").status_code == 200
        for sock in held:
            assert sock.recv(12) == b"HTTP/1.1 200"
    finally:
        for sock in held:
            sock.close()
