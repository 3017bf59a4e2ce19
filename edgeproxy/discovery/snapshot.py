"""What discovery hands to the processes: an immutable picture of which endpoints serve which service.

It crosses the pipe to the children as a plain dict (`to_message`); host and port follow from the URL.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import orjson

from edgeproxy.cluster.urls import path, reverse_parts, worker_url

log = logging.getLogger(__name__)

MAX_BYTES: Final = 8 * 1024 * 1024  # of all URLs together, some 80,000: what a message on the pipe can carry
MIN_WEIGHT: Final = 0.01
MAX_WEIGHT: Final = 1000.0
MAX_SLOTS: Final = 100_000
STATIC_POOL: Final = "upstreams"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One place that serves one service.

    `id` names the address, not the worker: what is known of it outlives a new registration.
    `weight` is its share of the requests, `slots` how many it takes at once (0: any number).
    `url` has no trailing slash; `base_path` is its path, "" or "/x"; a health check asks `url + health_path`.
    `machine` is the id of one that dials in, empty for one that is dialled.
    """

    id: str
    service: str
    url: str
    host: str
    port: int
    tls: bool
    base_path: str
    health_path: str
    weight: float = 1.0
    slots: int = 0
    machine: str = ""

    @classmethod
    def of(cls, service: str, url: str, health_path: str = "/health", weight: float = 1.0, slots: int = 0) -> Self:
        """ValueError if the URL or the path is not one that we route by, or a number is out of bounds."""
        if not MIN_WEIGHT <= weight <= MAX_WEIGHT:
            raise ValueError(f"a weight is a number from {MIN_WEIGHT} to {MAX_WEIGHT}")
        if not 0 <= slots <= MAX_SLOTS:
            raise ValueError(f"slots are a number from 0 to {MAX_SLOTS}")
        numbers = (float(weight), slots)
        if parts := reverse_parts(url):
            machine, base_path = parts
            at = (f"{service}@{url}", service, url, "agent", 80, False, base_path, path(health_path))
            return cls(*at, *numbers, machine)
        return cls._dialled(service, worker_url(url), health_path, *numbers)

    @classmethod
    def _dialled(cls, service: str, url: str, health_path: str, weight: float, slots: int) -> Self:
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        return cls(
            id=f"{service}@{url}",
            service=service,
            url=url,
            host=parts.hostname or "",
            port=parts.port or (443 if tls else 80),
            tls=tls,
            base_path=parts.path,
            health_path=path(health_path),
            weight=float(weight),
            slots=slots,
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Endpoints by service, in a stable order; the services that exist, with or without a worker; the keys of
    the machines that may dial in, by id."""

    endpoints: Mapping[str, tuple[Endpoint, ...]]
    known_services: frozenset[str]
    version: str
    keys: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        endpoints: Iterable[Endpoint],
        known_services: Iterable[str] = (),
        keys: Mapping[str, str] | None = None,
    ) -> Self:
        """Sorted, without doubles: two snapshots with the same content have the same version."""
        keys = keys or {}
        unique = {endpoint.id: endpoint for endpoint in endpoints}
        ordered = _bounded([unique[key] for key in sorted(unique)])
        by_service: dict[str, list[Endpoint]] = {}
        for endpoint in ordered:
            by_service.setdefault(endpoint.service, []).append(endpoint)
        known = frozenset(known_services) | by_service.keys()
        rows = [_row(endpoint) for endpoint in ordered]
        version = hashlib.sha256(orjson.dumps([rows, sorted(known), sorted(keys.items())])).hexdigest()[:16]
        pools = {service: tuple(pool) for service, pool in by_service.items()}
        return cls(MappingProxyType(pools), known, version, MappingProxyType(dict(keys)))

    def all_endpoints(self) -> Iterable[Endpoint]:
        return (endpoint for pool in self.endpoints.values() for endpoint in pool)

    def to_message(self) -> dict[str, Any]:
        """`{"type": "snapshot", "version", "known": [name], "endpoints": [row], "keys"}`, a row being
        `[service, url, health_path, weight, slots]`."""
        rows = [_row(endpoint) for endpoint in self.all_endpoints()]
        return {
            "type": "snapshot",
            "version": self.version,
            "known": sorted(self.known_services),
            "endpoints": rows,
            "keys": dict(self.keys),
        }

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Self:
        """The snapshot again; a wrong entry costs itself and a log line."""
        rows = message.get("endpoints")
        known = message.get("known")
        endpoints = valid_endpoints(rows if isinstance(rows, list) else ())
        names = known if isinstance(known, list) else ()
        keys = message.get("keys")
        return cls.of(
            endpoints, [name for name in names if isinstance(name, str)], keys if isinstance(keys, dict) else {}
        )


def _row(endpoint: Endpoint) -> list[Any]:
    return [endpoint.service, endpoint.url, endpoint.health_path, endpoint.weight, endpoint.slots]


def _bounded(endpoints: list[Endpoint]) -> list[Endpoint]:
    left = MAX_BYTES
    for count, endpoint in enumerate(endpoints):
        left -= len(endpoint.id) + len(endpoint.health_path) + 16
        if left < 0:
            log.warning("only %d of %d endpoints are used: the list is too long", count, len(endpoints))
            return endpoints[:count]
    return endpoints


def valid_endpoints(rows: Iterable[Any]) -> list[Endpoint]:
    """The endpoints of `[service, url, health_path, weight, slots]` rows, without the wrong ones."""
    kept, faults = [], []
    for row in rows:
        try:
            service, url, health_path, *numbers = row
            kept.append(Endpoint.of(str(service), url, health_path, *numbers))
        except (ValueError, TypeError, AttributeError) as error:
            faults.append(str(error))
    if faults:
        log.warning("left out %d wrong endpoints, the first: %s", len(faults), faults[0][:300])
    return kept


EMPTY: Final = Snapshot.of(())
