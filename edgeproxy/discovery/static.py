"""A list that the operator wrote: EDGEPROXY_UPSTREAMS, one pool of upstreams, no coordinator.

`http://a:8000;weight=3;slots=8`: three shares of the requests, eight at once.
"""

import re
from collections.abc import Sequence
from typing import Final

from edgeproxy.cluster.services import SERVICES
from edgeproxy.cluster.urls import worker_url
from edgeproxy.discovery.snapshot import STATIC_POOL, Endpoint, Snapshot
from edgeproxy.runtime.environment import ConfigurationError


def first_snapshot(upstreams: Sequence[str], health_path: str) -> Snapshot:
    """What is served before the coordinator has answered: no worker, and 503 rather than 404."""
    if not upstreams:
        return Snapshot.of((), SERVICES)
    try:
        return static_snapshot(",".join(upstreams), health_path)
    except ValueError as error:
        raise ConfigurationError(f"EDGEPROXY_UPSTREAMS: {error}") from None


def static_snapshot(urls: str, health_path: str = "/health") -> Snapshot:
    """The pool of a comma list of URLs. ValueError, naming the wrong one, or if there is none."""
    endpoints = [_endpoint(url, health_path) for part in urls.split(",") if (url := part.strip())]
    if not endpoints:
        raise ValueError("no upstream URL is given")
    return Snapshot.of(endpoints)


_WEIGHT: Final = re.compile(r"weight=([0-9]{1,4}(?:\.[0-9]{1,4})?)")
_SLOTS: Final = re.compile(r"slots=([0-9]{1,6})")


def _endpoint(text: str, health_path: str) -> Endpoint:
    url, *options = (part.strip() for part in text.split(";"))
    try:
        worker_url(url)  # none that dials in: there is no list that says who may
        return Endpoint.of(STATIC_POOL, url, health_path, *_numbers(options))
    except ValueError as error:
        shown = url.rpartition("@")[2][:200]  # without a password
        raise ValueError(f"{shown!r}: {error}") from None


def _numbers(options: list[str]) -> tuple[float, int]:
    weight, slots = 1.0, 0
    for option in options:
        if match := _WEIGHT.fullmatch(option):
            weight = float(match[1])
        elif match := _SLOTS.fullmatch(option):
            slots = int(match[1])
        else:
            raise ValueError(f"{option[:50]!r} is neither weight=NUMBER nor slots=NUMBER")
    return weight, slots
