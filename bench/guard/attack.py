"""4,000 slow connections by one thread: heads and bodies that drip, answers that nobody reads. It knows our deadlines:
a body makes the rate that is asked for, and who is thrown out comes again.

`python -m bench.guard.attack --port N` prints how many connections it holds when they are all there.
"""

from __future__ import annotations

import argparse
import select
import socket
from time import monotonic

from bench.measure import raise_descriptor_limit

CONNECTIONS = 4000
DRIP_S = 5.0
"""Between two pieces of one connection."""
STEP_S = 0.02
LONGEST_S = 300.0

_ENDED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
# (what it begins with, what it goes on with)
KINDS = (
    (b"GET / HTTP/1.1\r\nHost: bench\r\nX-Slow: ", b"x"),
    (b"POST /service/ner/echo HTTP/1.1\r\nHost: bench\r\nContent-Length: 100000000\r\n\r\n", b"x" * 1300),
    (b"GET /service/ner/bytes/10485760 HTTP/1.1\r\nHost: bench\r\n\r\n", b""),
)


class Attack:
    def __init__(self, port: int) -> None:
        self._port = port
        self._epoll = select.epoll()
        self._held: list[socket.socket] = []
        self._places: dict[int, int] = {}
        for place in range(CONNECTIONS):
            self._held.append(self._open(place))

    def _open(self, place: int) -> socket.socket:
        sock = socket.socket()
        if place % 3 == 2:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", self._port))
        sock.setblocking(False)
        sock.send(KINDS[place % 3][0])
        self._epoll.register(sock, _ENDED)
        self._places[sock.fileno()] = place
        return sock

    def run(self) -> None:
        """For at most `LONGEST_S`; each step drips its share of the connections, evenly."""
        began = monotonic()
        dripped = 0
        while (now := monotonic() - began) < LONGEST_S:
            for number, _ in self._epoll.poll(STEP_S):
                self._again(self._places[number])
            due = int(now / DRIP_S * CONNECTIONS)
            for place in range(dripped, min(due, dripped + CONNECTIONS)):
                self._drip(place % CONNECTIONS)
            dripped = due

    def _drip(self, place: int) -> None:
        piece = KINDS[place % 3][1]
        if piece:
            try:
                self._held[place].send(piece)
            except OSError:  # full, or thrown out: then epoll says so
                pass

    def _again(self, place: int) -> None:
        old = self._held[place]
        self._epoll.unregister(old)
        del self._places[old.fileno()]
        old.close()
        self._held[place] = self._open(place)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.guard.attack")
    parser.add_argument("--port", type=int, required=True)
    raise_descriptor_limit()
    attack = Attack(parser.parse_args().port)
    print(CONNECTIONS, flush=True)
    attack.run()
