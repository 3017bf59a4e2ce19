"""The guard of a TLS listener, before and after the handshake."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from tests.e2e.guarded import Start, eventually, metric
from tests.e2e.processes import Proxy

CA = trustme.CA()
PROXY_V2 = b"\r\n\r\n\x00\r\nQUIT\n"
V1 = b"PROXY TCP4 203.0.113.77 192.0.2.1 1234 443\r\n"
V2 = PROXY_V2 + b"\x21\x11\x00\x0f" + bytes([203, 0, 113, 77, 192, 0, 2, 1]) + b"\x04\xd2\x01\xbb" + b"\x04\x00\x00"


@pytest.fixture
def secured(edge: Start, tmp_path: Path) -> Callable[..., Proxy]:
    def start(**variables: str) -> Proxy:
        leaf = CA.issue_cert("localhost")
        certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
        certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        key.write_bytes(leaf.private_key_pem.bytes())
        served: Proxy = edge(EDGEPROXY_TLS_CERT=str(certificate), EDGEPROXY_TLS_KEY=str(key), **variables)
        return served

    return start


def ask(served: Proxy, *header: bytes) -> bytes:
    """The answer, after a PROXY header that comes in these pieces before the handshake."""
    context = ssl.create_default_context()
    CA.configure_trust(context)
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in header:
            raw.sendall(piece)
        with context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=True) as sock:
            sock.sendall(b"GET /who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            answer = b""
            while piece := sock.recv(65536):
                answer += piece
            return answer


def test_a_proxy_header_before_the_handshake_is_believed_from_trusted_peers(secured: Callable[..., Proxy]) -> None:
    served = secured(EDGEPROXY_TRUSTED_PROXIES="127.0.0.1", EDGEPROXY_TIMEOUT_HEAD="1")
    for header in ((V1,), (V2,), (V1[:5], V1[5:20], V1[20:]), (V2[:1], V2[1:14], V2[14:17], V2[17:])):
        answer = ask(served, *header)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b'"X-Forwarded-For": "203.0.113.77"' in answer
        assert b'"X-Forwarded-Proto": "https"' in answer
    assert b'"X-Forwarded-For": "127.0.0.1"' in ask(served), "a trusted peer may do without"
    assert b'"X-Forwarded-For": "127.0.0.1"' in ask(served, b"PROXY UNKNOWN\r\n")
    for broken in (b"PROXY TCP4 nonsense\r\n", b"PROXY TCP4 203.0.113.77", b"PX"):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(served, broken)
    eventually(lambda: metric(served, "edgeproxy_open_connections") == 0)


def test_a_proxy_header_from_a_stranger_is_no_handshake(secured: Callable[..., Proxy]) -> None:
    served = secured()
    for header in (V1, V2):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(served, header)
    assert b'"X-Forwarded-For": "127.0.0.1"' in ask(served)


def test_who_says_nothing_before_the_handshake_is_counted_too(secured: Callable[..., Proxy]) -> None:
    """Otherwise an address could hold all descriptors, for the time of a handshake."""
    served = secured(
        EDGEPROXY_MAX_CONNECTIONS_PER_ADDRESS="4",
        EDGEPROXY_ALLOW="192.0.2.1",
        EDGEPROXY_TIMEOUT_HANDSHAKE="2",
    )
    silent = []
    for _ in range(4):
        silent.append(socket.create_connection(("127.0.0.1", served.port), timeout=10))
    eventually(lambda: _refused(served))
    for sock in silent:
        assert sock.recv(1) == b"", "their time is up"
        sock.close()
    eventually(lambda: not _refused(served))
    assert metric(served, 'edgeproxy_faults_total{fault="tls_handshake_unfinished"}') >= 0


def _refused(served: Proxy) -> bool:
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        return not ask(served).startswith(b"HTTP/1.1 200")
    return True
