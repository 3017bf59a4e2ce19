"""What is decided about a request before anything waits: may it pass, as whom, and what goes with it.

The order is from the cheap to the dear, and so that nobody learns more than he must: address, ban, loop, host,
preflight, key, limit, scope, room. A limit comes before the answer to a wrong key, so that keys cannot be guessed
faster than the limit; health is answered always.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeproxy.clock import Clock
from edgeproxy.errors import (
    BANNED,
    KEY_EXPIRED,
    LOOPED,
    MISDIRECTED,
    NO_ROUTE,
    OUT_OF_SCOPE,
    OVERLOADED,
    RATE_LIMITED,
    SOURCE_DENIED,
    UNAUTHENTICATED,
    Fault,
)
from edgeproxy.policy.address import Source, Sources
from edgeproxy.policy.bans import Bans
from edgeproxy.policy.cors import Cors
from edgeproxy.policy.keys import Caller, bearer
from edgeproxy.policy.leases import EVERYBODY, Leases
from edgeproxy.policy.limit import NANO, Limit, LimitTable
from edgeproxy.policy.rules import APPLICATION, PASS, Rules
from edgeproxy.policy.shed import Shed
from edgeproxy.proxy.exchange import Exchange, Peer
from edgeproxy.proxy.table import Table

_RETRY_AFTER = [b"Retry-After: %d\r\n" % seconds for seconds in range(3601)]
"""Made before, since a flood is made of them; who is to wait longer is told an hour."""
if TYPE_CHECKING:
    from edgeproxy.policy.tokens import Tokens

_CHALLENGE = b'WWW-Authenticate: Bearer realm="edgeproxy"\r\n'


class Guard:
    """One a process. `rules` are replaced whole when the operator changes them. Without `limits` nothing is limited
    nor banned; `callers`: requests by the name of their key."""

    __slots__ = (
        "_bans",
        "_clock",
        "_limits",
        "_loop",
        "_shared",
        "callers",
        "loop_line",
        "pseudonym",
        "rules",
        "shed",
        "sources",
        "tokens",
    )

    def __init__(
        self,
        clock: Clock,
        rules: Rules,
        *,
        sources: Sources | None = None,
        limits: LimitTable | None = None,
        bans: Bans | None = None,
        shared: Leases | None = None,
        tokens: Tokens | None = None,
        shed: Shed | None = None,
        instance: str = "",
        callers: dict[str, int] | None = None,
    ) -> None:
        self._clock = clock
        self.rules = rules
        self.sources = sources or Sources()
        self._limits = limits
        self._bans = bans
        self._shared = shared
        self.tokens = tokens
        self.shed = shed or Shed()
        self.callers: dict[str, int] = callers if callers is not None else {}
        self._loop = instance.encode("ascii")
        self.loop_line = b'CDN-Loop: edgeproxy; id="%b"\r\n' % self._loop if instance else b""
        self.pseudonym = b"edgeproxy-" + self._loop if instance else b"edgeproxy"

    def judge(self, exchange: Exchange, table: Table) -> Fault | None:
        """Why the request goes no further, or None."""
        head = exchange.head
        route = exchange.route
        client = exchange.client
        rules = self.rules
        source = client.source
        if client.trusted and head.forwarded:
            source = self.sources.claimed(source, head.forwarded)
            exchange.source = source
        exchange.added = rules.added
        if route.local is not None and route.reception is None:
            return None
        now = int(self._clock.now * NANO)
        if source.denied:
            return SOURCE_DENIED
        if self._bans is not None and self._bans.hold(source, now):
            exchange.close = True
            return BANNED
        if head.loop and self._loop and self._loop in head.loop:
            return LOOPED
        if rules.hosts is not None and head.host not in rules.hosts and _name(head.host) not in rules.hosts:
            return MISDIRECTED
        fault = self._admit(exchange, source, now)
        if fault is None and route is table.nowhere:
            fault = NO_ROUTE
        if fault is None:
            return self._take_on(exchange)
        return fault

    def _admit(self, exchange: Exchange, source: Source, now: int) -> Fault | None:
        """CORS, key and limit."""
        rules = self.rules
        policy = exchange.route.policy
        cors = policy.cors or rules.cors
        if cors is not None:
            self._answer_origin(exchange, cors)
        fault = None
        caller = None
        if (rules.keyring is not None or self.tokens is not None) and not policy.open and not exchange.preflight:
            caller = self._caller(exchange)
            fault = self._why_not(exchange, caller)
        if self._limits is not None:
            limited = self._limited(exchange, source, caller, now)
            if limited is not None:
                return limited
        if fault is UNAUTHENTICATED:
            exchange.added += _CHALLENGE
        return fault

    def _answer_origin(self, exchange: Exchange, cors: Cors) -> None:
        """Which pages may read the answer. A preflight is answered by the edge: browsers send it without
        credentials, and no worker need see it."""
        head = exchange.head
        exchange.cors = True
        if head.asked_method and head.origin and head.method == b"OPTIONS":
            exchange.preflight = True
            exchange.added += cors.preflight(head.origin, head.asked_fields)
        else:
            exchange.added += cors.fields(head.origin)

    def _why_not(self, exchange: Exchange, caller: Caller | None) -> Fault | None:
        if caller is None:
            return UNAUTHENTICATED
        exchange.caller = caller.name
        if self._clock.now >= caller.expires:
            return KEY_EXPIRED
        if caller.services is not None and not caller.may_use(exchange.route.name):
            return OUT_OF_SCOPE
        return None

    def _limited(self, exchange: Exchange, source: Source, caller: Caller | None, now: int) -> Fault | None:
        rules = self.rules
        policy = exchange.route.policy
        subject = source.key if caller is None else caller.key
        limits = rules.limits
        if caller is not None and caller.limits is not None:
            limits = caller.limits
        if limits and not (rules.spares_local and source.local and limits is rules.limits):
            for limit in limits:
                if not self._take(exchange, subject, caller, limit, now):
                    return RATE_LIMITED
        for limit in policy.each:
            if not self._take(exchange, subject, caller, limit, now):
                return RATE_LIMITED
        for limit in policy.together:
            if not self._take(exchange, EVERYBODY, caller, limit, now):
                return RATE_LIMITED
        return None

    def _take(self, exchange: Exchange, subject: int, caller: Caller | None, limit: Limit, now: int) -> bool:
        wait = self._limits.take(subject, limit, now)  # type: ignore[union-attr]  # not called without
        if wait == 0 and self._shared is not None:
            wait = self._shared.take(subject, exchange.source, caller, limit, now)
        if self.rules.show_limits:
            self._show(exchange, subject, limit, now)
        if wait:
            exchange.added += _RETRY_AFTER[_seconds(wait)]
            return False
        return True

    def _show(self, exchange: Exchange, subject: int, limit: Limit, now: int) -> None:
        """draft-ietf-httpapi-ratelimit-headers: the policy, what is left, seconds until all of it is there again."""
        full = self._limits.level(subject, limit.salt)  # type: ignore[union-attr]
        used = max(0, full - now)
        left = max(0, (limit.tolerance + limit.interval - used) // limit.interval)
        name = limit.name.encode("ascii")
        exchange.added += b'RateLimit-Policy: "%b";q=%d;w=%d\r\nRateLimit: "%b";r=%d;t=%d\r\n' % (
            name,
            limit.burst,
            max(1, limit.burst * limit.interval // NANO),
            name,
            left,
            -(-used // NANO),
        )

    def _caller(self, exchange: Exchange) -> Caller | None:
        """Whose key or token the request shows. A connection that shows the same as before is not asked twice, by
        the same rules: what is compared there is its own word with its own word."""
        client = exchange.client
        head = exchange.head
        rules = self.rules
        if client.credential_rules is not rules or client.credential != head.credentials:
            client.caller = self._identify(exchange)
            client.credential = head.credentials
            client.credential_rules = rules
        caller = client.caller
        if exchange.route.policy.credentials != PASS:
            exchange.credentials = b""
            if exchange.route.policy.credentials == APPLICATION:
                exchange.credentials = self._applications(exchange)
        return caller

    def _identify(self, exchange: Exchange) -> Caller | None:
        head = exchange.head
        token = bearer(head.authorization)
        caller = None
        keyring = self.rules.keyring
        if keyring is not None:
            caller = keyring.find(head.api_key or token)
            if caller is None and head.api_key and token:
                caller = keyring.find(token)
        if caller is None and self.tokens is not None and token:
            caller = self.tokens.known(token)
            if caller is None and not self._spent(exchange.source):  # a signature costs us more than its sender
                caller = self.tokens.find(token, self._clock.now)
        return caller

    def _spent(self, source: Source) -> bool:
        """Whether the source has used up what a stranger may ask for."""
        rules = self.rules
        if self._limits is None or (rules.spares_local and source.local):
            return False
        now = int(self._clock.now * NANO)
        for limit in rules.limits:  # noqa: SIM110  # as a loop it compiles to one
            if self._limits.level(source.key, limit.salt) - now > limit.tolerance:
                return True
        return False

    def _applications(self, exchange: Exchange) -> bytes:
        """The Authorization line, unless it is our own key."""
        head = exchange.head
        token = bearer(head.authorization)
        if not head.authorization:
            return b""
        if token and self.rules.keyring is not None and self.rules.keyring.find(token) is not None:
            return b""
        return b"Authorization: " + head.authorization + b"\r\n"

    def _take_on(self, exchange: Exchange) -> Fault | None:
        shed = self.shed
        if not shed.takes(exchange.route.policy.priority):
            return OVERLOADED
        shed.in_flight += 1
        exchange.counted = True
        return None

    def ended(self, exchange: Exchange) -> None:
        """However it ended: its place is free, its caller is counted, and what it did wrong is remembered."""
        if exchange.counted:
            exchange.counted = False
            self.shed.in_flight -= 1
        if exchange.caller:
            name = "jwt" if exchange.caller.startswith("jwt:") else exchange.caller  # those names are not ours to bound
            self.callers[name] = self.callers.get(name, 0) + 1
        if exchange.fault is not None and exchange.fault.violation:
            self.violated(exchange.source)

    def violated(self, source: Source) -> bool:
        """The source has broken a rule; whether it is banned for it."""
        return self._bans is not None and self._bans.violated(source, int(self._clock.now * NANO))

    def holds(self, peer: Peer) -> bool:
        """Whether a connection of that peer is ended before it has said anything."""
        source = peer.source
        if source.denied:
            return not peer.trusted
        return self._bans is not None and not peer.trusted and self._bans.hold(source, int(self._clock.now * NANO))


def _seconds(wait: int) -> int:
    """Of nanoseconds, from 1 to 3600."""
    if wait <= NANO:
        return 1
    return 3600 if wait > 3599 * NANO else int((wait - 1) // NANO) + 1


def _name(host: bytes) -> bytes:
    """The host's name without its port, in lower case."""
    if host.startswith(b"["):
        return host.partition(b"]")[0][1:].lower()
    return host.partition(b":")[0].lower()
