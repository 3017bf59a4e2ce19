"""Clients that drip, that do not read, and that hold many connections, against running processes."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from tests.e2e.guarded import Start, eventually, get, metric
from tests.e2e.processes import Proxy

HEAD = b"GET /who HTTP/1.1\r\nHost: a\r\nX-Slow: "
BODY = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
CHUNKED = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
LARGE = b"GET /bytes/10000000 HTTP/1.1\r\nHost: a\r\n\r\n"  # more than the kernel holds of a connection
EACH = 20


class Slow:
    """`EACH` connections that begin alike and go on, `piece` by piece, until each is ended."""

    def __init__(self, port: int, opening: bytes, piece: bytes, small: bool = False) -> None:
        self.piece = piece
        self.answers: dict[socket.socket, bytes] = {}
        self.ended: set[socket.socket] = set()
        for _ in range(EACH):
            sock = socket.socket()
            if small:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", port))
            sock.sendall(opening)
            sock.setblocking(False)
            self.answers[sock] = b""

    def drip(self) -> None:
        for sock in self.answers.keys() - self.ended:
            try:
                if self.piece:
                    sock.send(self.piece)
                    answer = sock.recv(65536)
                    self.answers[sock] += answer
                    if not answer:
                        self.ended.add(sock)
                elif sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    self.ended.add(sock)
            except BlockingIOError:
                pass
            except ConnectionError:
                self.ended.add(sock)


@pytest.fixture
def slow() -> Iterator[list[Slow]]:
    attacks: list[Slow] = []
    yield attacks
    for attack in attacks:
        for sock in attack.answers:
            sock.close()


def test_who_drips_or_does_not_read_is_ended_and_others_are_served_meanwhile(edge: Start, slow: list[Slow]) -> None:
    served = edge(
        EDGEPROXY_TIMEOUT_HEAD="1",
        EDGEPROXY_BODY_GRACE="1",
        EDGEPROXY_BODY_RATE="1000",
        EDGEPROXY_TIMEOUT_WRITE="1",
        EDGEPROXY_TIMEOUT_LINGER="0.5",
        EDGEPROXY_BAN="off",
    )
    slow += [
        Slow(served.port, HEAD, b"x"),
        Slow(served.port, BODY, b"x"),
        Slow(served.port, CHUNKED, b"1\r\nx\r\n"),
        Slow(served.port, LARGE, b"", small=True),
    ]
    end = time.monotonic() + 20
    while not all(len(attack.ended) == EACH for attack in slow):
        assert time.monotonic() < end, [len(attack.ended) for attack in slow]
        for attack in slow:
            attack.drip()
        assert get(served).status_code == 200
        time.sleep(0.1)
    for attack in slow[:3]:
        assert sum(answer.startswith(b"HTTP/1.1 408") for answer in attack.answers.values()) >= EACH / 2
    eventually(lambda: metric(served, "edgeproxy_open_connections") == 0)


# Connections.


def hold(served: Proxy, wanted: int, header: bytes = b"") -> list[socket.socket]:
    """So many connections, as many of them as are borne."""
    held = []
    for _ in range(wanted):
        try:
            sock = socket.create_connection(("127.0.0.1", served.port), timeout=10)
        except ConnectionError:
            continue
        try:
            sock.sendall(header + b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n")
            if sock.recv(12) == b"HTTP/1.1 200":
                held.append(sock)
                continue
        except ConnectionError:
            pass
        sock.close()
    return held


def test_an_address_has_so_many_connections_over_all_processes_even_when_one_is_killed(edge: Start) -> None:
    served = edge(EDGEPROXY_MAX_CONNECTIONS_PER_ADDRESS="8", EDGEPROXY_ALLOW="192.0.2.1")
    held = hold(served, 40)
    try:
        assert len(held) == 8
        victim = psutil.Process(served.pid).children()[0]
        os.kill(victim.pid, signal.SIGKILL)
        eventually(lambda: victim.pid not in [each.pid for each in psutil.Process(served.pid).children()])
        eventually(lambda: len(psutil.Process(served.pid).children()) == 2)
        eventually(lambda: httpx.get(f"{served.admin_url}/readyz").status_code == 200)
        left = [sock for sock in held if alive(sock)]
        assert len(left) < 8
        held += hold(served, 40)
        assert len([sock for sock in held if alive(sock)]) == 8, "what it had held is free, and nothing more"
    finally:
        for sock in held:
            sock.close()
    eventually(lambda: len(closed(hold(served, 8))) == 8)


def alive(sock: socket.socket) -> bool:
    try:
        sock.settimeout(5)
        sock.sendall(b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n")
        got = b""
        while b"HTTP/1.1 200" not in got:
            piece = sock.recv(65536)
            if not piece:
                return False
            got += piece
        return True
    except ConnectionError:
        return False


def closed(socks: list[socket.socket]) -> list[socket.socket]:
    for sock in socks:
        sock.close()
    return socks


def test_behind_a_proxy_a_network_of_64_bits_is_one_address(edge: Start) -> None:
    served = edge(EDGEPROXY_MAX_CONNECTIONS_PER_ADDRESS="3", EDGEPROXY_TRUSTED_PROXIES="127.0.0.1")
    one = [
        sock
        for number in range(1, 9)
        for sock in hold(served, 1, b"PROXY TCP6 2001:db8:1:2::%x 2001:db8::1 1 2\r\n" % number)
    ]
    many = [
        sock
        for number in range(1, 9)
        for sock in hold(served, 1, b"PROXY TCP6 2001:db8:1:%x::1 2001:db8::1 1 2\r\n" % (number + 16))
    ]
    assert (len(closed(one)), len(closed(many))) == (3, 8)
