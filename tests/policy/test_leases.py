"""Tokens of a shared store: on credit first, paid back, and whole again after a rest."""

from __future__ import annotations

from edgeproxy.policy.address import Source
from edgeproxy.policy.leases import Lease, Leases
from edgeproxy.policy.limit import NANO
from edgeproxy.policy.notation import parse_limits

START = 10**12
ANN = Source("192.0.2.1", 7)
[LIMIT] = parse_limits("100/second;burst=10", "a")
REST = 10 * NANO // 100
"""As long as the burst takes to come back."""


class Asked:
    """What the store was asked for; it answers when it is told to."""

    def __init__(self, away: bool = False) -> None:
        self.leases = Leases(self.ask)
        self.away = away
        self.waiting: list[Lease] = []

    def ask(self, lease: Lease) -> bool:
        if not self.away:
            self.waiting.append(lease)
        return not self.away

    def take(self, times: int, now: int) -> int:
        """How many of them there were."""
        return sum(self.leases.take(ANN.key, ANN, None, LIMIT, now) == 0 for _ in range(times))


def test_a_burst_on_credit_and_no_more() -> None:
    store = Asked()
    assert store.take(30, START) == 10
    [lease] = store.waiting
    assert lease.wanted == 10 + lease.batch  # what is owed, and a batch


def test_what_the_store_grants_pays_the_debt_first() -> None:
    store = Asked()
    assert store.take(30, START) == 10
    [lease] = store.waiting
    store.leases.granted(lease, 12)
    assert store.take(30, START + 1) == 12


def test_who_is_refused_waits() -> None:
    store = Asked()
    store.take(30, START)
    [lease] = store.waiting
    store.leases.refused(lease, lease.wanted, START)
    assert store.take(30, START + NANO // 100) == 0
    assert lease.refused_until > START


def test_after_a_rest_the_whole_burst_is_there_again() -> None:
    store = Asked()
    assert store.take(30, START) == 10
    [lease] = store.waiting
    store.leases.refused(lease, lease.wanted, START)
    assert store.take(5, lease.refused_until + REST // 2) == 0  # no rest: somebody asks all the time
    assert store.take(30, lease.refused_until + 2 * REST) == 10


def test_without_a_store_everything_is_the_machines_own_business() -> None:
    assert Asked(away=True).take(1000, START) == 1000
