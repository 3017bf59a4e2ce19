"""What the guard says of a request, without a socket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from edgeproxy.clock import Clock
from edgeproxy.errors import LOOPED, NO_ROUTE, OVERLOADED, RATE_LIMITED, UNAUTHENTICATED, Fault
from edgeproxy.http.request import parse_request
from edgeproxy.policy.address import Sources
from edgeproxy.policy.keys import Caller, Keyring
from edgeproxy.policy.limit import LimitTable, table_bytes
from edgeproxy.policy.notation import parse_limits
from edgeproxy.policy.rules import APPLICATION, PASS, RoutePolicy, Rules
from edgeproxy.policy.shed import HIGH, LOW, Shed
from edgeproxy.policy.tokens import Tokens
from edgeproxy.policy.words import Words
from edgeproxy.proxy.exchange import Exchange, Peer
from edgeproxy.proxy.pipeline import Guard
from edgeproxy.proxy.table import Route, Table
from edgeproxy.telemetry.counters import RouteCounts

KEYRING = Keyring([Caller("alice", sha256(b"secret").digest())])
SHOWN = b"X-API-Key: secret\r\n"


@pytest.fixture
def limits() -> Iterator[LimitTable]:
    fd = os.memfd_create("test")
    os.ftruncate(fd, table_bytes(64))
    yield LimitTable(Words(fd, table_bytes(64)), 0, 64)
    os.close(fd)


def judged(guard: Guard, lines: bytes = b"", peer: str = "192.0.2.1", **route: Any) -> tuple[Fault | None, Exchange]:
    client = Peer()
    client.source = Sources().of(peer)
    data = b"GET /a HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n"
    everything = Route("all", RouteCounts(), **route)
    table = Table(Route("none", RouteCounts()), everything)
    exchange = Exchange(client, parse_request(data, len(data) - 4), table, b"id", 0.0)
    return guard.judge(exchange, table), exchange


def guard(rules: Rules, **options: Any) -> Guard:
    return Guard(Clock(lambda: 1000.0), rules, **options)


def test_health_is_answered_whatever_the_rules(limits: LimitTable) -> None:
    strict = guard(Rules(keyring=KEYRING, limits=parse_limits("1/hour", "a"), hosts=[b"b"]), limits=limits)
    assert all(judged(strict, local=b"{}")[0] is None for _ in range(3))


def test_a_limit_comes_before_the_answer_to_a_wrong_key(limits: LimitTable) -> None:
    strict = guard(Rules(keyring=KEYRING, limits=parse_limits("2/hour", "a")), limits=limits)
    assert [judged(strict)[0] for _ in range(3)] == [UNAUTHENTICATED, UNAUTHENTICATED, RATE_LIMITED]
    assert judged(strict, SHOWN)[0] is None


def test_nobody_makes_us_verify_more_tokens_than_he_may_ask_for(limits: LimitTable) -> None:
    """A signature costs more than all else that is asked of a request."""

    class Counting(Tokens):
        verified = 0

        def find(self, token: bytes, now: float) -> Caller | None:
            self.verified += 1
            return super().find(token, now)

    tokens = Counting(lambda: 0.0, algorithms=["ES256"])
    strict = guard(Rules(limits=parse_limits("5/hour", "a")), limits=limits, tokens=tokens)
    faults = [judged(strict, b"Authorization: Bearer a.b.c%d\r\n" % number)[0] for number in range(20)]
    assert faults == [UNAUTHENTICATED] * 5 + [RATE_LIMITED] * 15
    assert tokens.verified == 5


def test_the_default_limit_spares_this_machine_alone(limits: LimitTable) -> None:
    usual = guard(Rules(limits=parse_limits("1/hour", "a"), spares_local=True), limits=limits)
    assert [judged(usual, peer="127.0.0.1")[0] for _ in range(3)] == [None] * 3
    assert [judged(usual, peer="192.0.2.1")[0] for _ in range(2)] == [None, RATE_LIMITED]


@pytest.mark.parametrize(
    ("credentials", "passed"),
    [(0, b""), (APPLICATION, b"Authorization: Bearer theirs\r\n"), (PASS, SHOWN + b"Authorization: Bearer theirs\r\n")],
)
def test_what_a_worker_sees_of_credentials(credentials: int, passed: bytes) -> None:
    keyed = guard(Rules(keyring=KEYRING))
    lines = SHOWN + b"Authorization: Bearer theirs\r\n"
    fault, exchange = judged(keyed, lines, policy=RoutePolicy(credentials=credentials))
    assert fault is None
    assert exchange.credentials == passed
    assert exchange.caller == "alice"


def test_our_key_is_never_the_applications() -> None:
    keyed = guard(Rules(keyring=KEYRING))
    _, exchange = judged(keyed, b"Authorization: Bearer secret\r\n", policy=RoutePolicy(credentials=APPLICATION))
    assert exchange.credentials == b""


def test_a_loop_ends() -> None:
    assert judged(guard(Rules(), instance="us"), b'CDN-Loop: edgeproxy; id="us"\r\n')[0] is LOOPED
    assert judged(guard(Rules(), instance="us"), b'CDN-Loop: edgeproxy; id="them"\r\n')[0] is None


def test_the_less_important_go_first_when_there_is_no_room() -> None:
    busy = guard(Rules(), shed=Shed(10))
    for _ in range(6):
        assert judged(busy)[0] is None
    assert judged(busy, policy=RoutePolicy(priority=LOW))[0] is OVERLOADED
    fault, last = judged(busy, policy=RoutePolicy(priority=HIGH))
    assert fault is None
    for _ in range(3):
        judged(busy, policy=RoutePolicy(priority=HIGH))
    assert judged(busy, policy=RoutePolicy(priority=HIGH))[0] is OVERLOADED
    busy.ended(last)
    assert judged(busy, policy=RoutePolicy(priority=HIGH))[0] is None


def test_nothing_is_served_nowhere() -> None:
    client = Peer()
    nowhere = Route("none", RouteCounts())
    data = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
    table = Table(nowhere)
    exchange = Exchange(client, parse_request(data, len(data) - 4), table, b"id", 0.0)
    assert guard(Rules()).judge(exchange, table) is NO_ROUTE
