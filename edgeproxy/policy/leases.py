"""Limits across machines: tokens that a process takes from a shared store in batches, so that a request never waits
for it.

A key begins with credit: it may use up to its burst before the store has answered. What was used on credit is part
of the next batch that is asked for, so that the overshoot is at most one burst a process, and the rate on the whole is
the store's. Who has rested for as long as a burst takes to come back has his whole credit again, as by a machine's own
limit. While the store is away, everything is credit and the machine's own limits go on.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address, ip_network

from edgeproxy.cluster.addresses import parse_address
from edgeproxy.policy.address import Source
from edgeproxy.policy.keys import Caller
from edgeproxy.policy.limit import NANO, Limit

EVERYBODY = 1
"""The subject of limits that all callers share."""

MOST = 20_000
"""Keys of a process with a lease, some 300 bytes each; beyond them the one that began first is forgotten."""
_BATCHES = 50
"""A batch is that part of the limit's amount: two machines that each hold one are off by two fiftieths at most."""
_SHORTEST_PAUSE, _LONGEST_PAUSE = NANO // 50, NANO


class Lease:
    """`tokens` may be negative: used on credit. `refused_until`: the store has none before; `used`: the last time that
    somebody asked; in nanoseconds."""

    __slots__ = ("batch", "label", "limit", "pending", "refused_until", "tokens", "used")

    def __init__(self, label: str, limit: Limit) -> None:
        self.label = label
        self.limit = limit
        self.batch = max(1, limit.amount // _BATCHES)
        self.tokens = 0
        self.pending = False
        self.refused_until = 0
        self.used = 0

    @property
    def wanted(self) -> int:
        """Tokens to ask for: what is owed, and a batch; never more than the limit gives at all."""
        return min(self.limit.amount, self.batch - min(0, self.tokens))


class Leases:
    """`ask(lease)` begins a question to the store, whose answer comes by `granted`, `refused` or `unanswered`; it
    gives False where the store is away or has too many questions already."""

    def __init__(self, ask: Callable[[Lease], bool]) -> None:
        self._ask = ask
        self._leases: dict[int, Lease] = {}

    def take(self, subject: int, source: Source, caller: Caller | None, limit: Limit, now: int) -> int:
        """One token: 0 if it may be used, else the nanoseconds to wait."""
        key = subject ^ limit.salt
        lease = self._leases.get(key)
        if lease is None:
            lease = self._begin(key, _label(subject, source, caller, limit), limit)
        if lease.tokens < 0 and now - lease.used > limit.interval * limit.burst:
            lease.tokens = 0
        lease.used = now
        if lease.tokens <= 0 and lease.refused_until > now:
            return lease.refused_until - now
        if lease.tokens <= lease.batch // 2 and not lease.pending:
            lease.pending = self._ask(lease)
            if not lease.pending:  # nobody to ask: the machine's own limit is what there is
                lease.tokens = 0
                return 0
        if lease.tokens <= -limit.burst:
            return limit.interval
        lease.tokens -= 1
        return 0

    def granted(self, lease: Lease, tokens: int) -> None:
        lease.pending = False
        lease.tokens += tokens
        lease.refused_until = 0

    def refused(self, lease: Lease, tokens: int, now: int) -> None:
        """The store has fewer than that: ask again when as many may have come."""
        lease.pending = False
        pause = min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, lease.limit.interval * min(tokens, lease.batch)))
        lease.refused_until = now + pause

    def unanswered(self, lease: Lease) -> None:
        """What was used meanwhile is forgiven."""
        lease.pending = False
        lease.tokens = max(0, lease.tokens)

    def _begin(self, key: int, label: str, limit: Limit) -> Lease:
        if len(self._leases) >= MOST:
            del self._leases[next(iter(self._leases))]
        lease = self._leases[key] = Lease(label, limit)
        return lease


def _label(subject: int, source: Source, caller: Caller | None, limit: Limit) -> str:
    """The key's name in the store, the same on all machines."""
    if subject == EVERYBODY:
        return f"{limit.name}:all"
    if caller is not None:
        return f"{limit.name}:key:{caller.name}"
    address = parse_address(source.text)
    shown = str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else source.text
    return f"{limit.name}:address:{shown}"
