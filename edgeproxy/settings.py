"""The settings of proxy and balancer: one field a variable, its meaning beside it. `--help` prints these texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from edgeproxy.cluster.homes.settings import HomesSettings
from edgeproxy.cluster.store.url import store_url
from edgeproxy.http.bounds import Bounds
from edgeproxy.net.limits import Limits
from edgeproxy.policy.affinity import session_reader
from edgeproxy.policy.balance import STRATEGIES
from edgeproxy.policy.cors import origin
from edgeproxy.policy.notation import parse_limits
from edgeproxy.policy.reach import ANY, AUTO
from edgeproxy.policy.sizes import size
from edgeproxy.runtime.cpu import usable_cores
from edgeproxy.runtime.environment import CommaList

PREFIX = "EDGEPROXY_"

Size = Annotated[int, BeforeValidator(size)]
"""Bytes; `64KiB`, `100MiB`, `1GiB` in the environment."""


def _size_or_off(value: object) -> object:
    return 0 if isinstance(value, str) and value.strip().lower() == "off" else size(value)


CacheSize = Annotated[int, BeforeValidator(_size_or_off), Field(ge=0)]


def _pem_path(value: object) -> object:
    if isinstance(value, str) and "-----BEGIN" in value:
        raise ValueError("must be the path of a PEM file, not what is in it")
    return value


PemPath = Annotated[Path, BeforeValidator(_pem_path)]

Seconds = Annotated[float, Field(gt=0, le=86400)]


def _field(default: Any, variable: str, meaning: str, **rules: Any) -> Any:
    return Field(default, validation_alias=PREFIX + variable, description=meaning, **rules)


class ProxySettings(HomesSettings):
    """`edgeproxy serve`."""

    known = frozenset({"EDGEPROXY_PURE"})  # read before any setting: run interpreted
    mode: ClassVar[Literal["serve", "balance"]] = "serve"

    host: str = _field("0.0.0.0", "HOST", "address to listen on")
    port: int = _field(8787, "PORT", "port to listen on", ge=0, le=65535)
    admin_host: str = _field("127.0.0.1", "ADMIN_HOST", "address of the admin listener")
    admin_port: int = _field(
        9787, "ADMIN_PORT", "port of the admin listener: /healthz /readyz /metrics", ge=0, le=65535
    )
    processes: int = _field(
        usable_cores(), "PROCESSES", "serving processes (default: the cores it may use)", ge=1, le=256
    )

    coordinator_url: CommaList = Field(
        ("http://127.0.0.1:8080",),
        validation_alias="COORDINATOR_URL",
        description="where the worker list comes from; a comma list is tried in its order",
    )
    api_key: SecretStr | None = Field(
        None, validation_alias="API_KEY", description="key shown to the coordinator, where it wants one"
    )
    upstreams: CommaList = _field(
        (), "UPSTREAMS", "comma list of URLs: serve these alone, on every path, without a coordinator"
    )
    service: str = _field("edge-proxy", "SERVICE", "the service whose workers `edgeproxy balance` spreads load over")
    balance: CommaList = _field(
        ("round_robin",),
        "BALANCE",
        "strategy that picks a worker: round_robin, least_request, peak_ewma, prefix_affinity, prequal; "
        "service=strategy after a comma for one service",
    )
    affinity: CommaList = _field(
        (),
        "AFFINITY",
        "keep sessions at one worker: cookie:NAME or header:NAME; service=cookie:NAME for one service",
    )
    max_in_flight: int = _field(
        0, "MAX_IN_FLIGHT", "requests at once for a worker that names no number; 0 is any number", ge=0, le=100000
    )
    queue: int = _field(1024, "QUEUE", "requests of a service that may wait while workers are full", ge=0, le=100000)
    queue_timeout: Seconds = _field(10.0, "QUEUE_TIMEOUT", "seconds that such a request waits before it gets 503")
    worker_list_ttl: Seconds = _field(300.0, "WORKER_LIST_TTL", "seconds for which a cached worker list counts as good")
    worker_list_refresh: Seconds = _field(5.0, "WORKER_LIST_REFRESH", "seconds between questions for a newer list")
    health_interval: Seconds = _field(5.0, "HEALTH_INTERVAL", "seconds between two health checks of a worker")
    health_path: str = _field("/health", "HEALTH_PATH", "path that is checked at EDGEPROXY_UPSTREAMS")

    tls_cert: PemPath | None = _field(
        None, "TLS_CERT", "PEM file of certificate and chain: the main port speaks TLS alone"
    )
    tls_key: PemPath | None = _field(
        None, "TLS_KEY", "PEM file of its private key; both are read again when they change"
    )

    trusted_proxies: CommaList = _field(
        (),
        "TRUSTED_PROXIES",
        "comma list of CIDRs whose Forwarded, X-Forwarded-*, CF-Connecting-IP, X-Request-ID and PROXY are believed",
    )
    api_keys: SecretStr | None = _field(
        None, "API_KEYS", "comma list of keys, one of which users must show (Authorization: Bearer, or X-API-Key)"
    )
    policy: Path | None = _field(
        None, "POLICY", "TOML file of named keys, limits and rules of services, JWT; read again when it changes"
    )
    rate_limit: str | None = _field(
        None,
        "RATE_LIMIT",
        "of one key or address, e.g. 100/second;burst=200, or off (default 200/second;burst=1000, not over loopback)",
    )
    rate_limit_fields: bool = _field(False, "RATE_LIMIT_FIELDS", "say what is left of a limit in RateLimit fields")
    limit_keys: int = _field(
        2**18,
        "LIMIT_KEYS",
        "addresses and keys that are counted at once, a power of two: 16 bytes each",
        ge=8,
        le=2**26,
    )
    shared_store_url: SecretStr | None = Field(
        None,
        validation_alias="SHARED_STORE_URL",
        description="redis:// or valkey:// (also redis+sentinel://h1,h2/name, redis+cluster://h1,h2) that several "
        "machines share their limits by",
    )
    cors_origins: CommaList = _field((), "CORS_ORIGINS", "comma list of origins whose pages may call us, or *")
    cors_credentials: bool = _field(False, "CORS_CREDENTIALS", "their calls may carry cookies; not with *")
    worker_networks: CommaList = _field(
        ("auto",),
        "WORKER_NETWORKS",
        "private networks that listed workers may be in: CIDRs, any, or auto (those that the coordinator is in)",
    )
    hosts: CommaList = _field((), "HOSTS", "comma list of host names that are served (default: any)")
    security_fields: bool = _field(
        False,
        "SECURITY_FIELDS",
        "add nosniff, X-Frame-Options, Referrer-Policy, with TLS Strict-Transport-Security too",
    )
    allow: CommaList = _field(
        ("127.0.0.0/8", "::1"), "ALLOW", "comma list of CIDRs that are never banned, nor bound in their connections"
    )
    deny: CommaList = _field((), "DENY", "comma list of CIDRs that are never served")
    ban: str = _field(
        "200/minute", "BAN", "violations (400, 401, 408, 429) for which an address is shut out for a while, or off"
    )
    ban_seconds: Seconds = _field(
        60.0, "BAN_SECONDS", "seconds of an address's first ban; the next ones are twice as long each, at most a day"
    )
    max_connections: int = _field(
        0, "MAX_CONNECTIONS", "client connections of this machine (default: as descriptors allow)", ge=0
    )
    max_connections_per_address: int = _field(
        512, "MAX_CONNECTIONS_PER_ADDRESS", "client connections of one address (an IPv6 /64)", ge=1
    )
    max_body: Size = _field(100 * 1024 * 1024, "MAX_BODY", "largest request body, e.g. 100MiB", ge=0)
    max_head: Size = _field(16 * 1024, "MAX_HEAD", "largest request head", ge=512)
    max_fields: int = _field(100, "MAX_FIELDS", "most field lines of a request; an answer may have twice as many", ge=8)
    max_target: Size = _field(8 * 1024, "MAX_TARGET", "longest request target (path and query)", ge=64)
    max_answer_head: Size = _field(64 * 1024, "MAX_ANSWER_HEAD", "largest head of a worker's answer", ge=512)
    max_chunk_extension: Size = _field(256, "MAX_CHUNK_EXTENSION", "longest extension of one chunk", ge=0)
    max_trailers: int = _field(16, "MAX_TRAILERS", "most trailer fields of a body", ge=0)
    max_trailer_bytes: Size = _field(4 * 1024, "MAX_TRAILER_BYTES", "largest trailer section", ge=0)
    max_replay: Size = _field(1024 * 1024, "MAX_REPLAY", "request body that is kept to be sent once more", ge=0)
    buffer: Size = _field(
        64 * 1024, "BUFFER", "unsent bytes of one direction beyond which its source is not read", ge=4096
    )
    cache: CacheSize = _field(0, "CACHE", "memory for stored answers (RFC 9111), e.g. 256MiB, for all processes; `off`")
    cache_max_entry: Size = _field(1024 * 1024, "CACHE_MAX_ENTRY", "largest body that is stored", ge=0)
    access_log: Literal["off", "json"] = _field("off", "ACCESS_LOG", "one line an exchange on standard output")
    drain: Seconds = _field(30.0, "DRAIN", "seconds for exchanges in flight when the program is told to end")

    timeout_handshake: Seconds = _field(10.0, "TIMEOUT_HANDSHAKE", "seconds for a TLS handshake")
    timeout_head: Seconds = _field(10.0, "TIMEOUT_HEAD", "seconds for a request head to arrive")
    timeout_body: Seconds = _field(30.0, "TIMEOUT_BODY", "seconds between two pieces of a request body")
    body_rate: float = _field(240.0, "BODY_RATE", "bytes a second that a body must make on the whole", gt=0)
    body_grace: Seconds = _field(10.0, "BODY_GRACE", "seconds before a body's rate is looked at")
    timeout_keep_alive: Seconds = _field(75.0, "TIMEOUT_KEEP_ALIVE", "seconds a client connection may rest")
    keep_alive_requests: int = _field(1000, "KEEP_ALIVE_REQUESTS", "requests that one client connection may make", ge=1)
    client_lifetime: Seconds = _field(3600.0, "CLIENT_LIFETIME", "seconds for which a client connection is used")
    timeout_linger: Seconds = _field(2.0, "TIMEOUT_LINGER", "seconds for a refused client to read why")
    timeout_write: Seconds = _field(60.0, "TIMEOUT_WRITE", "seconds for a peer to read some of what waits for it")
    timeout_connect: Seconds = _field(
        1.0, "TIMEOUT_CONNECT", "seconds for a worker to accept a connection; three times that with TLS"
    )
    timeout_first_byte: Seconds = _field(120.0, "TIMEOUT_FIRST_BYTE", "seconds for a worker to begin its answer")
    timeout_stream: Seconds = _field(60.0, "TIMEOUT_STREAM", "seconds between two pieces of an answer")
    timeout_tunnel: Seconds = _field(3600.0, "TIMEOUT_TUNNEL", "seconds for which a WebSocket may be silent")
    upstream_idle: Seconds = _field(4.0, "UPSTREAM_IDLE", "seconds a worker's connection may rest, less if it says so")
    upstream_lifetime: Seconds = _field(600.0, "UPSTREAM_LIFETIME", "seconds for which a worker's connection is used")
    upstream_resting: int = _field(1024, "UPSTREAM_RESTING", "connections that may rest for one worker", ge=0)

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(origin(text) for text in value)

    @field_validator("rate_limit", "ban")
    @classmethod
    def _is_rate(cls, value: str | None) -> str | None:
        if value is not None:
            parse_limits(value, "check")
        return value

    @field_validator("worker_networks")
    @classmethod
    def _are_reach(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if text not in (ANY, AUTO):
                network(text)
        return value

    @field_validator("limit_keys")
    @classmethod
    def _is_power(cls, value: int) -> int:
        if value & (value - 1):
            raise ValueError("must be a power of two such as 262144")
        return value

    @field_validator("shared_store_url")
    @classmethod
    def _is_store(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            store_url(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _names_whose_cookies(self) -> Self:
        if self.cors_credentials and "*" in self.cors_origins:
            raise ValueError(f"{PREFIX}CORS_CREDENTIALS needs {PREFIX}CORS_ORIGINS by name: with * any page could read")
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """Those of EDGEPROXY_API_KEYS."""
        listed = self.api_keys.get_secret_value().split(",") if self.api_keys else ()
        return tuple(key.strip() for key in listed if key.strip())

    @field_validator("trusted_proxies", "allow", "deny")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            network(text)
        return value

    @field_validator("balance")
    @classmethod
    def _are_strategies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        per_service(value, _strategy)
        return value

    @field_validator("affinity")
    @classmethod
    def _are_sessions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        per_service(value, session_reader)
        return value

    @model_validator(mode="after")
    def _has_both_or_none(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            there, missing = ("CERT", "KEY") if self.tls_cert else ("KEY", "CERT")
            raise ValueError(f"{PREFIX}TLS_{there} is set and {PREFIX}TLS_{missing} is not: set both, or none")
        return self

    @property
    def tls_files(self) -> tuple[Path, Path] | None:
        """Certificate and key, where TLS is on."""
        return (self.tls_cert, self.tls_key) if self.tls_cert and self.tls_key else None

    @property
    def limits(self) -> Limits:
        return Limits(
            bounds=Bounds(
                fields=self.max_fields,
                target=self.max_target,
                extension=self.max_chunk_extension,
                trailers=self.max_trailers,
                trailer_bytes=self.max_trailer_bytes,
            ),
            head_bytes=self.max_head,
            answer_head_bytes=self.max_answer_head,
            body_bytes=self.max_body,
            buffer=self.buffer,
            handshake=self.timeout_handshake,
            head=self.timeout_head,
            body_idle=self.timeout_body,
            body_rate=self.body_rate,
            rate_grace=self.body_grace,
            keep_alive=self.timeout_keep_alive,
            keep_alive_requests=self.keep_alive_requests,
            client_lifetime=self.client_lifetime,
            linger=self.timeout_linger,
            write_idle=self.timeout_write,
            connect=self.timeout_connect,
            first_byte=self.timeout_first_byte,
            stream_idle=self.timeout_stream,
            tunnel_idle=self.timeout_tunnel,
            upstream_idle=self.upstream_idle,
            upstream_lifetime=self.upstream_lifetime,
            upstream_resting=self.upstream_resting,
        )


class BalancerSettings(ProxySettings):
    """`edgeproxy balance`: the same engine over one pool, on ports of its own."""

    mode = "balance"

    port: int = _field(8090, "PORT", "port to listen on", ge=0, le=65535)
    admin_port: int = _field(
        9090, "ADMIN_PORT", "port of the admin listener: /healthz /readyz /metrics", ge=0, le=65535
    )


Meaning = TypeVar("Meaning")


def per_service(parts: Iterable[str], meaning: Callable[[str], Meaning]) -> dict[str, Meaning]:
    """`for-all, service=for-one` as a mapping, "" standing for all; ValueError says what is wrong."""
    found: dict[str, Meaning] = {}
    for part in parts:
        service, equals, value = part.rpartition("=")
        service, value = service.strip(), value.strip()
        if equals and not service:
            raise ValueError(f"{part[:100]!r} names no service before the =")
        if service in found:
            raise ValueError(f"{service or 'the default'} is set twice")
        found[service] = meaning(value)
    return found


def _strategy(name: str) -> str:
    if name not in STRATEGIES:
        raise ValueError(f"{name[:100]!r} is no strategy: use {', '.join(STRATEGIES)}")
    return name


def network(text: str) -> IPv4Network | IPv6Network:
    """A CIDR or single address; ValueError says which is none."""
    try:
        return IPv6Network(text) if ":" in text else IPv4Network(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a network such as 10.0.0.0/8") from None
