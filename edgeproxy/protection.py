"""What the settings say of the guard, made into one: the shared memory of a machine, and the rules of a process."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from edgeproxy.clock import Clock, monotonic
from edgeproxy.discovery.policy_file import read_text
from edgeproxy.net.door import Door
from edgeproxy.policy.address import Sources
from edgeproxy.policy.bans import Bans
from edgeproxy.policy.cors import Cors
from edgeproxy.policy.document import read_document
from edgeproxy.policy.keys import Caller, Keyring
from edgeproxy.policy.leases import Leases
from edgeproxy.policy.limit import LimitTable, table_bytes
from edgeproxy.policy.notation import parse_limits
from edgeproxy.policy.presence import Presence, parts_of, presence_bytes
from edgeproxy.policy.reach import Reach, reach_of
from edgeproxy.policy.rules import RoutePolicy, Rules
from edgeproxy.policy.words import WORD, Words
from edgeproxy.proxy.pipeline import Guard
from edgeproxy.runtime.environment import ConfigurationError
from edgeproxy.runtime.logs import get_logger
from edgeproxy.runtime.shared_memory import create_memory
from edgeproxy.settings import ProxySettings, network
from edgeproxy.telemetry.counters import Counters

if TYPE_CHECKING:
    from edgeproxy.policy.tokens import Tokens

SAFE_LIMIT = "200/second;burst=1000"
"""Without EDGEPROXY_RATE_LIMIT, for one address: no browser and no SDK comes near it, and one attacker's machine is
kept to what a worker or two can answer. This machine's own addresses are spared, since behind them a tunnel's or a
reverse proxy's clients would all be one."""

_SECRET_BYTES = 32
_HORIZON = 8  # words; the secret stands before it
_TABLE = 512  # words: a page
_SPARE_DESCRIPTORS = 64
"""Of a process, for listeners, log, channel and resolver."""
_SECURITY = b"X-Content-Type-Options: nosniff\r\nX-Frame-Options: SAMEORIGIN\r\nReferrer-Policy: same-origin\r\n"
_STRICT_TRANSPORT = b"Strict-Transport-Security: max-age=31536000\r\n"

log = get_logger(__name__)


def new_memory(settings: ProxySettings) -> int:
    """The descriptor of a machine's limits, with a secret at its head."""
    fd = create_memory(_size(settings))
    os.pwrite(fd, os.urandom(_SECRET_BYTES), 0)
    return fd


def _size(settings: ProxySettings) -> int:
    return _TABLE * WORD + table_bytes(settings.limit_keys) + presence_bytes(settings.processes)


def presence_of(fd: int, settings: ProxySettings) -> Presence:
    """Who is connected, by the memory of the machine; for the supervisor to look after, for a process to join."""
    first = _TABLE + table_bytes(settings.limit_keys) // WORD
    return Presence(Words(fd, _size(settings)), first, parts_of(settings.processes))


def instance_of(fd: int) -> str:
    """A name for this machine's edge that only it knows how to make."""
    return blake2b(os.pread(fd, _SECRET_BYTES, 0), person=b"instance", digest_size=8).hexdigest()


def read_policy(settings: ProxySettings) -> str:
    """The text of the policy file, "" without one; ConfigurationError if it is not one."""
    if settings.policy is None:
        return ""
    try:
        return read_text(settings.policy)
    except ValueError as error:
        raise ConfigurationError(f"EDGEPROXY_POLICY={settings.policy}: {error}") from None


def new_door(settings: ProxySettings, counters: Counters, memory: int | None) -> Door:
    """Room for as many connections as there are descriptors for, one of a worker's for each of a client's."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    room = max(16, (descriptors - _SPARE_DESCRIPTORS) // 2)
    if settings.max_connections:
        room = min(room, -(-settings.max_connections // settings.processes))
    presence = None
    if memory is not None:
        presence = presence_of(memory, settings)
        presence.join(os.getpid())
    return Door(room, settings.max_connections_per_address, counters.fault, presence)


def new_reach(settings: ProxySettings) -> Reach:
    """Where listed workers may be; the coordinators' names are looked up once."""
    hosts = [urlsplit(url).hostname or "" for url in settings.coordinator_url]
    return reach_of(settings.worker_networks, [address for host in hosts for address in _addresses(host)])


def _addresses(host: str) -> list[str]:
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except OSError:
        return []


class Protection:
    """The guard of one process, and what changes it while it runs. `tell` takes a message to the supervisor."""

    def __init__(
        self,
        settings: ProxySettings,
        memory: int | None,
        counters: Counters,
        leases: Leases | None = None,
        tell: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> None:
        self._tell = tell
        self._miss_told = 0.0
        self._counters = counters
        self._settings = settings
        self._memory = memory if memory is not None else new_memory(settings)
        self._leases = leases
        self.guard: Guard
        self.policies: Mapping[str, RoutePolicy]
        try:
            self._document = read_document(read_policy(settings))
        except ConfigurationError:  # it is being written: until the supervisor sends the last good one, nobody passes
            self._document = read_document(f'keys.nobody.sha256 = "{"0" * 64}"')
        self.policies = self._document.policies()

    def build(self, clock: Clock) -> Guard:
        """The guard, for the edge that has this clock."""
        settings = self._settings
        words = Words(self._memory, _size(settings))
        table = LimitTable(words, _TABLE, settings.limit_keys)
        meter = parse_limits(settings.ban, "ban")
        self.guard = Guard(
            clock,
            Rules(),
            sources=Sources(
                os.pread(self._memory, _SECRET_BYTES, 0),
                [network(text) for text in settings.trusted_proxies],
                [network(text) for text in settings.allow],
                [network(text) for text in settings.deny],
            ),
            limits=table,
            bans=Bans(table, words, _HORIZON, meter[0], settings.ban_seconds) if meter else None,
            shared=self._leases,
            instance=instance_of(self._memory),
            callers=self._counters.callers,
        )
        self._enforce()
        return self.guard

    def hear(self, message: Mapping[str, Any]) -> None:
        """A new policy file, or new keys of the tokens' issuer, that the supervisor has found good."""
        if message["type"] == "policy":
            document = read_document(message["text"])
            changed = document.jwt != self._document.jwt
            self._document = document
            self._enforce(keep_tokens=not changed)
        elif message["type"] == "jwks" and self.guard.tokens is not None:
            self.guard.tokens.use(message["keys"])

    def _enforce(self, keep_tokens: bool = False) -> None:
        self.policies = self._document.policies()
        self.guard.rules = self._rules()
        if not keep_tokens:
            self.guard.tokens = self._tokens()

    def _rules(self) -> Rules:
        settings = self._settings
        callers = [*_named(settings.keys), *self._document.callers(monotonic())]
        added = b""
        if settings.security_fields:
            added = _SECURITY + (_STRICT_TRANSPORT if settings.tls_files else b"")
        return Rules(
            keyring=Keyring(callers) if callers else None,
            limits=parse_limits(settings.rate_limit or SAFE_LIMIT, "general"),
            spares_local=settings.rate_limit is None,
            hosts=[host.lower().encode() for host in settings.hosts] or None,
            cors=Cors(settings.cors_origins, credentials=settings.cors_credentials) if settings.cors_origins else None,
            added=added,
            show_limits=settings.rate_limit_fields,
        )

    def _tokens(self) -> Tokens | None:
        part = self._document.jwt
        if part is None:
            return None
        from edgeproxy.policy.tokens import Tokens  # with it comes a library of 20 MB, in each process

        return Tokens(
            lambda: datetime.now(UTC).timestamp(),
            algorithms=part.algorithms,
            issuer=part.issuer,
            audience=part.audience,
            services_claim=part.services_claim,
            miss=self._key_missed,
        )

    def _key_missed(self) -> None:
        now = monotonic()
        if now - self._miss_told >= 1.0:
            self._miss_told = now
            self._tell({"type": "key_missed"})


def _named(keys: tuple[str, ...]) -> list[Caller]:
    """EDGEPROXY_API_KEYS have no names but their places in the list."""
    return [Caller(f"key{place}", sha256(key.encode()).digest()) for place, key in enumerate(keys, 1)]
