"""The proxy behind TLS with real processes and real clients."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import trustme
import websockets

from tests.e2e.processes import ROOT, Backend, Process, Proxy

StartBackend = Callable[..., Backend]
CA = trustme.CA()
BODY = os.urandom(1024) * 20 * 1024


class Edge:
    """A proxy with a certificate, and the ways to talk to it."""

    def __init__(self, directory: Path, start: Callable[..., Proxy], **variables: str) -> None:
        self.certificate, self.key = directory / "cert.pem", directory / "key.pem"
        self.ca = directory / "ca.pem"
        CA.cert_pem.write_to_path(str(self.ca))
        self.issue("first.test")
        tls = {"EDGEPROXY_TLS_CERT": str(self.certificate), "EDGEPROXY_TLS_KEY": str(self.key)}
        self.process = start(**tls, **variables)
        self.port = self.process.port
        self.url = f"https://localhost:{self.port}"
        self.context = ssl.create_default_context(cafile=str(self.ca))

    def issue(self, name: str) -> None:
        leaf = CA.issue_cert(name, "localhost")
        self.put(b"".join(blob.bytes() for blob in leaf.cert_chain_pems), leaf.private_key_pem.bytes())

    def put(self, certificate: bytes, key: bytes) -> None:
        self.certificate.write_bytes(certificate)
        self.key.write_bytes(key)

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, verify=self.context, timeout=20)

    def connect(self, timeout: float = 10.0) -> ssl.SSLSocket:
        raw = socket.create_connection(("127.0.0.1", self.port), timeout)
        return self.context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False)

    def shown(self) -> str:
        with self.connect() as sock:
            certificate = sock.getpeercert()
            assert certificate is not None
            return str(certificate["subjectAltName"][0][1])  # type: ignore[index]

    def metrics(self) -> dict[str, float]:
        page = httpx.get(f"{self.process.admin_url}/metrics").text
        rows = [line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in rows}


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.05)


def read_to_end(sock: ssl.SSLSocket) -> bytes:
    """Everything until close_notify; an end without one is an error."""
    answer = b""
    while data := sock.recv(65536):
        answer += data
    return answer


def resident(pid: int) -> int:
    """Bytes of memory in use."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def start(proxy: Callable[..., Proxy], tmp_path: Path) -> Callable[..., Edge]:
    return lambda **variables: Edge(tmp_path, proxy, **variables)


StartEdge = Callable[..., Edge]


def test_curl_httpx_and_openssl(backend: StartBackend, start: StartEdge) -> None:
    edge = start(EDGEPROXY_UPSTREAMS=backend().url)
    curl = subprocess.run(
        ["curl", "-sv", "--cacert", edge.ca, f"{edge.url}/x", f"{edge.url}/y"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"X-Forwarded-Proto": "https"' in curl.stdout
    assert "ALPN: server accepted http/1.1" in curl.stderr
    assert "Re-using existing connection" in curl.stderr
    with edge.client() as client:
        assert client.get("/x").json()["headers"]["X-Forwarded-Proto"] == "https"
    asked = subprocess.run(
        ["openssl", "s_client", "-connect", f"localhost:{edge.port}", "-CAfile", edge.ca, "-tls1_2", "-ign_eof"],
        input="GET /bytes/3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
        errors="replace",
    )
    assert "Verify return code: 0 (ok)" in asked.stdout
    assert "HTTP/1.1 200 OK" in asked.stdout


def test_20_mb_both_ways_with_known_length_and_chunked(backend: StartBackend, start: StartEdge) -> None:
    edge = start(EDGEPROXY_UPSTREAMS=backend().url)
    digest = hashlib.sha256(BODY).hexdigest()
    with edge.client() as client:
        known = client.post("/echo", content=BODY).json()
        pieces = (BODY[at : at + 100_000] for at in range(0, len(BODY), 100_000))
        chunked = client.post("/echo", content=pieces).json()
        assert known["sha256"] == chunked["sha256"] == digest
        assert client.get("/bytes/20000000").content == b"\xa5" * 20_000_000


def test_a_slow_reader_gets_all_and_holds_the_worker_back(backend: StartBackend, start: StartEdge) -> None:
    edge = start(EDGEPROXY_UPSTREAMS=backend().url, EDGEPROXY_PROCESSES="1")
    child = int(subprocess.check_output(["pgrep", "-P", str(edge.process.pid)], text=True).split()[0])
    before = resident(child)
    with edge.connect() as sock:
        sock.sendall(b"GET /bytes/20000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        time.sleep(3)
        assert resident(child) < before + 4_000_000
        head, _, body = read_to_end(sock).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert len(body) == 20_000_000


async def test_a_websocket_passes_and_its_end_too(backend: StartBackend, start: StartEdge) -> None:
    edge = start(EDGEPROXY_UPSTREAMS=backend().url)
    url = edge.url.replace("https", "wss") + "/ws"
    async with websockets.connect(url, ssl=edge.context, max_size=None) as connection:
        await connection.send("hello")
        assert await connection.recv() == "hello"
        await connection.send(BODY[:3_000_000])
        assert await connection.recv() == BODY[:3_000_000]
    assert connection.close_code == 1000
    await asyncio.to_thread(until, lambda: edge.metrics()["edgeproxy_open_connections"] == 0)


def test_pipelined_requests_are_answered_in_order(backend: StartBackend, start: StartEdge) -> None:
    edge = start(EDGEPROXY_UPSTREAMS=backend().url)
    with edge.connect() as sock:
        sock.sendall(
            b"GET /sleep/0.3 HTTP/1.1\r\nHost: a\r\n\r\nGET /bytes/3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        answer = read_to_end(sock)
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.endswith(b"\xa5\xa5\xa5")


@pytest.mark.parametrize("how", ["close_notify", "end", "reset"])
def test_who_leaves_is_noticed_at_once(how: str, backend: StartBackend, start: StartEdge) -> None:
    worker = backend()
    edge = start(EDGEPROXY_UPSTREAMS=worker.url)
    sock = edge.connect()
    sock.sendall(b"GET /events?count=1000&pause=0.02&id=me HTTP/1.1\r\nHost: a\r\n\r\n")
    assert sock.recv(65536)
    if how == "close_notify":
        sock.settimeout(0.01)
        with contextlib.suppress(ssl.SSLError, TimeoutError):  # whether the edge answers in that time or not
            sock.unwrap()
    elif how == "reset":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    raw = socket.socket(fileno=sock.detach())
    if how != "close_notify":
        raw.close()
    until(lambda: httpx.get(f"{worker.url}/cancelled?id=me").json() is True, 2)
    raw.close()


def test_a_refused_upload_can_be_read_and_does_not_linger(backend: StartBackend, start: StartEdge) -> None:
    edge = start(EDGEPROXY_UPSTREAMS=backend().url, EDGEPROXY_MAX_BODY="1MiB")
    with edge.client() as client:
        assert client.post("/echo", content=BODY).status_code == 413
    with edge.connect() as sock:
        began = time.monotonic()
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n")
        assert read_to_end(sock).startswith(b"HTTP/1.1 413 ")
        until(lambda: edge.metrics()["edgeproxy_open_connections"] == 0)  # though we send no close_notify
        assert time.monotonic() - began < 8


def test_half_an_answer_is_not_passed_as_whole(backend: StartBackend, start: StartEdge) -> None:
    edge = start(EDGEPROXY_UPSTREAMS=backend().url)
    with edge.client() as client, pytest.raises(httpx.RemoteProtocolError):
        client.get("/cut")


def test_a_new_pair_is_shown_at_once_and_breaks_nothing(backend: StartBackend, start: StartEdge) -> None:
    edge = start(EDGEPROXY_UPSTREAMS=backend().url)
    children = subprocess.check_output(["pgrep", "-P", str(edge.process.pid)])
    with edge.client() as client:
        client.get("/x")
        stream = edge.connect()
        stream.sendall(b"GET /events?count=60&pause=0.1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert edge.shown() == "first.test"
        edge.issue("second.test")
        until(lambda: edge.shown() == "second.test", 6)
        time.sleep(0.3)
        assert {edge.shown() for _ in range(20)} == {"second.test"}  # in every process
        assert client.get("/x").status_code == 200
        with stream:
            assert b"data: 59\n\n" in read_to_end(stream)
    assert subprocess.check_output(["pgrep", "-P", str(edge.process.pid)]) == children
    assert edge.process.output().count("a new certificate") == 1


def test_broken_files_change_nothing_for_new_processes_either(backend: StartBackend, start: StartEdge) -> None:
    edge = start(EDGEPROXY_UPSTREAMS=backend().url)
    edge.key.write_bytes(CA.issue_cert("other.test").private_key_pem.bytes())
    until(lambda: "the new certificate is not used" in edge.process.output())
    edge.certificate.write_bytes(edge.certificate.read_bytes()[:200])
    until(lambda: edge.process.output().count("the new certificate is not used") == 2)
    before = set(subprocess.check_output(["pgrep", "-P", str(edge.process.pid)], text=True).split())
    edge.process.signal(signal.SIGHUP)
    until(lambda: not before & set(subprocess.check_output(["pgrep", "-P", str(edge.process.pid)], text=True).split()))
    assert {edge.shown() for _ in range(10)} == {"first.test"}
    time.sleep(2)
    assert edge.process.output().count("the new certificate is not used") == 2
    assert "PRIVATE" not in edge.process.output()
    edge.issue("second.test")
    until(lambda: edge.shown() == "second.test", 6)


def test_what_is_no_tls_ends_and_is_counted(backend: StartBackend, start: StartEdge) -> None:
    edge = start(EDGEPROXY_UPSTREAMS=backend().url, EDGEPROXY_TIMEOUT_HANDSHAKE="0.5")
    plain = subprocess.run(["curl", "-s", f"http://localhost:{edge.port}/"], timeout=10, check=False)
    assert plain.returncode == 52  # the server closed without an answer
    with socket.create_connection(("127.0.0.1", edge.port), 5) as sock:
        assert sock.recv(1) == b""  # nothing said
    with socket.create_connection(("127.0.0.1", edge.port), 5) as sock:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert sock.recv(1) == b""  # half a ClientHello
    counts = {"tls_plain_http": 1.0, "tls_handshake_unfinished": 2.0}
    expected = {f'edgeproxy_faults_total{{fault="{name}"}}': count for name, count in counts.items()}
    until(lambda: expected.items() <= edge.metrics().items())
    assert edge.metrics()["edgeproxy_open_connections"] == 0
    assert (
        edge.metrics()["edgeproxy_tls_certificate_expiry_timestamp_seconds"]
        == datetime(3000, 1, 1, tzinfo=UTC).timestamp()
    )


def test_a_drain_waits_for_streams_not_for_the_silent(backend: StartBackend, start: StartEdge) -> None:
    edge = start(EDGEPROXY_UPSTREAMS=backend().url, EDGEPROXY_DRAIN="20")
    handshake = socket.create_connection(("127.0.0.1", edge.port), 5)
    resting = edge.connect()
    resting.sendall(b"GET /bytes/3 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert resting.recv(65536)
    stream = edge.connect()
    stream.sendall(b"GET /events?count=10&pause=0.1 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert stream.recv(65536)
    began = time.monotonic()
    edge.process.signal(signal.SIGTERM)
    assert b"data: 9\n\n" in read_to_end(stream)
    assert edge.process.wait() == 0  # though two peers answer nothing
    assert time.monotonic() - began < 10
    for sock in (handshake, resting, stream):
        sock.close()


def test_resumption_of_sessions(backend: StartBackend, start: StartEdge) -> None:
    edge = start(EDGEPROXY_UPSTREAMS=backend().url, EDGEPROXY_PROCESSES="1")
    with edge.connect() as first:
        first.sendall(b"GET /bytes/3 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert first.recv(65536)
        session = first.session
    raw = socket.create_connection(("127.0.0.1", edge.port), 5)
    with edge.context.wrap_socket(raw, server_hostname="localhost", session=session) as second:
        assert second.session_reused


def run(command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "EDGEPROXY_PORT": "0", "EDGEPROXY_ADMIN_PORT": "0", **variables}
    return subprocess.run(
        [sys.executable, "-m", "edgeproxy", command],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def files(directory: Path, begins: timedelta, ends: timedelta) -> dict[str, str]:
    now = datetime.now(UTC)
    leaf = CA.issue_cert("edge.test", "10.0.0.1", common_name="edge", not_before=now + begins, not_after=now + ends)
    leaf.cert_chain_pems[0].write_to_path(str(directory / "cert.pem"))
    leaf.private_key_pem.write_to_path(str(directory / "key.pem"))
    return {"EDGEPROXY_TLS_CERT": str(directory / "cert.pem"), "EDGEPROXY_TLS_KEY": str(directory / "key.pem")}


DAY = timedelta(days=1)


def test_check_says_what_users_will_be_shown(tmp_path: Path) -> None:
    good = run("check", **files(tmp_path, -DAY, 60 * DAY))
    assert (good.returncode, good.stderr) == (0, "")
    assert "certificate: subject CN=edge" in good.stdout
    assert "names edge.test, 10.0.0.1; valid until 20" in good.stdout
    soon = run("check", **files(tmp_path, -DAY, 20.5 * DAY))
    assert soon.returncode == 0
    assert soon.stderr.startswith(f"warning: EDGEPROXY_TLS_CERT={tmp_path}/cert.pem: expires in 20 days, on 20")
    over = run("check", **files(tmp_path, -2 * DAY, -DAY))
    assert over.returncode == 78
    assert over.stderr.startswith(f"error: EDGEPROXY_TLS_CERT={tmp_path}/cert.pem: expired on 20")
    assert over.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["serve", "check"])
@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"EDGEPROXY_TLS_KEY": ""}, "EDGEPROXY_TLS_CERT is set and EDGEPROXY_TLS_KEY is not: set both, or none"),
        ({"EDGEPROXY_TLS_CERT": ""}, "EDGEPROXY_TLS_KEY is set and EDGEPROXY_TLS_CERT is not: set both, or none"),
        (
            {"EDGEPROXY_TLS_KEY": "/none/key.pem"},
            "EDGEPROXY_TLS_KEY=/none/key.pem: cannot be read: there is no such file",
        ),
        ({"EDGEPROXY_TLS_KEY": "{cert}"}, "EDGEPROXY_TLS_KEY={cert}: holds no private key in PEM"),
        ({"EDGEPROXY_TLS_CERT": "{key}"}, "EDGEPROXY_TLS_CERT={key}: holds no certificate in PEM"),
        (
            {"EDGEPROXY_TLS_KEY": "", "EDGEPROXY_TLS_KEY_FILE": "{key}"},
            "EDGEPROXY_TLS_KEY_FILE: must be the path of a PEM",
        ),
    ],
)
def test_wrong_files_stop_the_start(command: str, variables: dict[str, str], message: str, tmp_path: Path) -> None:
    given = files(tmp_path, -DAY, 60 * DAY)
    paths = {"cert": given["EDGEPROXY_TLS_CERT"], "key": given["EDGEPROXY_TLS_KEY"]}
    ended = run(command, **{**given, **{name: value.format(**paths) for name, value in variables.items()}})
    assert ended.returncode == 78
    assert ended.stderr.startswith("error: " + message.format(**paths))
    assert ended.stderr.count("\n") == 1
    assert "PRIVATE" not in ended.stderr + ended.stdout


def test_an_expired_certificate_is_served_and_complained_of(
    backend: StartBackend, tmp_path: Path, proxy: StartBackend
) -> None:
    edge: Process = proxy(EDGEPROXY_UPSTREAMS=backend().url, **files(tmp_path, -2 * DAY, -DAY))
    url = f"https://127.0.0.1:{edge.port}/x"  # type: ignore[attr-defined]
    assert subprocess.run(["curl", "-sf", url], check=False, stdout=subprocess.DEVNULL).returncode == 60
    assert subprocess.run(["curl", "-skf", url], check=False, stdout=subprocess.DEVNULL).returncode == 0
    assert "the certificate expired on" in edge.output()
