"""A list that the operator wrote: EDGEPROXY_UPSTREAMS, one pool of equal upstreams, no coordinator."""

from edgeproxy.discovery.snapshot import STATIC_POOL, Endpoint, Snapshot


def static_snapshot(urls: str, health_path: str = "/health") -> Snapshot:
    """The pool of a comma list of URLs. ValueError, naming the wrong one, or if there is none."""
    endpoints = [_endpoint(url, health_path) for part in urls.split(",") if (url := part.strip())]
    if not endpoints:
        raise ValueError("no upstream URL is given")
    return Snapshot.of(endpoints)


def _endpoint(url: str, health_path: str) -> Endpoint:
    try:
        return Endpoint.of(STATIC_POOL, url, health_path)
    except ValueError as error:
        shown = url.rpartition("@")[2][:200]  # without a password
        raise ValueError(f"{shown!r}: {error}") from None
