"""Floods from many addresses, and of credentials that are none, against running processes."""

from __future__ import annotations

import random
import socket
import time
from collections import Counter
from collections.abc import Iterable

import httpx
import psutil

from tests.e2e.guarded import Start, eventually, get
from tests.e2e.processes import Proxy

KEY = "k-4f1d9a7be2c84f55"
ELSEWHERE = {"EDGEPROXY_ALLOW": "192.0.2.1"}
"""This machine's addresses are nobody special."""
BATCH = 400


def asked(fields: bytes) -> bytes:
    return b"GET /who HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n"


def pipelined(edge: Proxy, requests: Iterable[bytes]) -> tuple[Counter[int], bytes]:
    """(answers by status, all their bytes) of one connection; each answer has a Content-Length."""
    statuses: Counter[int] = Counter()
    answers = b""
    everything = list(requests)
    with socket.create_connection(("127.0.0.1", edge.port), timeout=20) as sock:
        for at in range(0, len(everything), BATCH):
            batch = everything[at : at + BATCH]
            sock.sendall(b"".join(batch))
            got = b""
            while got.count(b"HTTP/1.1 ") < len(batch) or not got.endswith(b"}"):
                piece = sock.recv(1 << 20)
                assert piece, "the edge has ended the connection"
                got += piece
            statuses.update(int(each[:3]) for each in got.split(b"HTTP/1.1 ")[1:])
            answers += got
    return statuses, answers


def of(address: str, fields: bytes = b"") -> bytes:
    return asked(b"X-Forwarded-For: " + address.encode() + b"\r\n" + fields)


def serving(edge: Proxy) -> list[psutil.Process]:
    children: list[psutil.Process] = psutil.Process(edge.pid).children()
    return children


def test_a_flood_from_ever_new_addresses_finds_no_memory_and_lets_nobody_off(edge: Start) -> None:
    served = edge(
        EDGEPROXY_API_KEYS=KEY,
        EDGEPROXY_RATE_LIMIT="1/hour;burst=5",
        EDGEPROXY_LIMIT_KEYS="1024",
        EDGEPROXY_TRUSTED_PROXIES="127.0.0.1",
        EDGEPROXY_KEEP_ALIVE_REQUESTS="1000000",
        EDGEPROXY_BAN="off",
        EDGEPROXY_PROCESSES="1",
    )
    heavy = [of("198.51.100.7")] * 8
    assert pipelined(served, heavy)[0] == {401: 5, 429: 3}
    flood = (of(f"2001:db8:{number >> 12:x}:{number & 4095:x}::{number:x}") for number in range(40_000))
    pipelined(served, (of(f"2001:db8:ff:{number:x}::1") for number in range(4000)))  # what is kept at all, is there
    (process,) = serving(served)
    before = process.memory_info().rss
    statuses, _ = pipelined(served, flood)
    assert statuses[401] > 20_000, "they are strangers, each for itself"
    assert process.memory_info().rss - before < 3 * 2**20, "some 75 bytes for each of 40,000"
    assert pipelined(served, heavy)[0] == {429: 8}, "who uses most is forgotten last"
    owner = of("198.51.100.8", b"X-API-Key: " + KEY.encode() + b"\r\n")
    assert pipelined(served, [owner] * 4)[0] == {200: 4}
    one_network = (of(f"2001:db8:aa:bb:{number:x}::1") for number in range(1, 1000))
    statuses, _ = pipelined(served, one_network)
    assert statuses[401] <= 5 * 2, "one /64 is one client, whichever of its addresses speaks"


def test_nothing_that_is_no_key_passes_or_comes_back(edge: Start) -> None:
    served = edge(
        EDGEPROXY_API_KEYS=KEY,
        EDGEPROXY_RATE_LIMIT="off",
        EDGEPROXY_BAN="off",
        EDGEPROXY_KEEP_ALIVE_REQUESTS="1000000",
    )
    chance = random.Random(5)
    marker = b"zq7"
    printable = bytes(range(0x21, 0x7F))
    shapes = [
        b"Authorization: Bearer %b\r\n",
        b"Authorization: bearer  %b\r\n",
        b"Authorization: %b\r\n",
        b"Authorization: Basic %b\r\n",
        b"Authorization: Bearer\r\nX-API-Key: %b\r\n",
        b"X-API-Key: %b\r\n",
        b"X-API-Key: " + KEY.encode()[:-1] + b"%b\r\n",
        b"X-API-Key: " + KEY.encode() + b"%b\r\n",
        b"X-API-Key:\r\nAuthorization: Bearer %b.%%b.%%b\r\n".replace(b"%%b", b"e30"),
    ]
    junk = [
        asked(chance.choice(shapes) % (marker + bytes(chance.choices(printable, k=chance.randrange(200)))))
        for _ in range(20_000)
    ]
    statuses, answers = pipelined(served, junk)
    assert statuses == {401: 20_000}
    assert marker not in answers
    assert answers.count(b"WWW-Authenticate: Bearer") == 20_000


def from_address(served: Proxy, address: str, data: bytes) -> bytes:
    """What comes back to a client at that address of this machine."""
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", served.port), 10, (address, 0)) as sock:
            sock.sendall(data)
            while piece := sock.recv(65536):
                answer += piece
    except ConnectionError:
        pass
    return answer[9:12]


ONCE = asked(b"Connection: close\r\n")


def test_many_addresses_together_get_what_all_may_have(edge: Start, tmp_path_factory: object) -> None:
    served = edge(EDGEPROXY_RATE_LIMIT="1/hour;burst=2", EDGEPROXY_BAN="off", **ELSEWHERE)
    attackers = [f"127.0.{number}.7" for number in range(1, 51)]
    got = {address: [from_address(served, address, ONCE) for _ in range(3)] for address in attackers}
    assert all(answers == [b"200", b"200", b"429"] for answers in got.values())
    assert from_address(served, "127.0.99.99", ONCE) == b"200", "an honest one has its own"


def test_bans_fill_by_themselves_and_end_and_grow(edge: Start) -> None:
    served = edge(EDGEPROXY_BAN="1/minute;burst=3", EDGEPROXY_BAN_SECONDS="1.5", **ELSEWHERE)
    attackers = [f"127.0.{number}.9" for number in range(1, 31)]
    for address in attackers:
        for _ in range(4):
            from_address(served, address, b"NONSENSE\r\n\r\n")
    assert [from_address(served, address, ONCE) for address in attackers[-10:]] == [b""] * 10
    assert from_address(served, "127.0.99.99", ONCE) == b"200"
    eventually(lambda: all(from_address(served, address, ONCE) == b"200" for address in attackers), 5)
    again = attackers[0]
    from_address(served, again, b"NONSENSE\r\n\r\n")
    began = time.monotonic()
    assert from_address(served, again, ONCE) == b"", "once more is enough so soon"
    eventually(lambda: from_address(served, again, ONCE) == b"200")
    assert time.monotonic() - began > 2.5, "twice as long"
    assert httpx.get(f"{served.admin_url}/healthz").status_code == 200
    assert get(served).status_code == 200
