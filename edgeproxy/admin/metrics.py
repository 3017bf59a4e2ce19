"""The metrics of a host in Prometheus' text format: the sums over its processes, dead ones included."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from edgeproxy import __version__
from edgeproxy.telemetry.counters import BUCKETS, Counters, RouteCounts, total


class ProcessCounts:
    """The last counters that each process sent. Those of one that is gone are kept in a sum, so that no
    counter ever runs backwards."""

    def __init__(self) -> None:
        self._living: dict[int, Mapping[str, Any]] = {}
        self._gone: Mapping[str, Any] = Counters().as_message()

    def update(self, pid: int, message: Mapping[str, Any]) -> None:
        self._living[pid] = message

    def ended(self, pid: int) -> None:
        last = self._living.pop(pid, None)
        if last is not None:
            self._gone = total(
                [self._gone, {**last, "open_connections": 0, "cache": [*last["cache"][:2], 0]}]
            ).as_message()

    def total(self) -> Counters:
        return total([self._gone, *self._living.values()])


class _HostCollector(Collector):
    def __init__(
        self,
        counts: Callable[[], Counters],
        endpoints: Callable[[], Mapping[str, bool]],
        certificate_expiry: Callable[[], float | None],
    ) -> None:
        self._counts = counts
        self._endpoints = endpoints
        self._certificate_expiry = certificate_expiry

    def collect(self) -> Iterable[Metric]:
        counts = self._counts()
        yield _gauge("edgeproxy_build_info", "The version that runs.", {"version": __version__}, 1)
        yield _gauge("edgeproxy_open_connections", "Client connections at this moment.", {}, counts.open_connections)
        yield _counter("edgeproxy_connections", "Client connections accepted.", [({}, counts.connections)])
        looked_up = [({"result": "hit"}, counts.cache_hits), ({"result": "miss"}, counts.cache_misses)]
        yield _counter("edgeproxy_cache_lookups", "Requests that the cache was asked about.", looked_up)
        yield _gauge("edgeproxy_cache_bytes", "Bytes of stored answers.", {}, counts.cache_bytes)
        faults = [({"fault": name}, count) for name, count in sorted(counts.faults.items())]
        yield _counter("edgeproxy_faults", "Failures by kind, see edgeproxy/errors.py and net/tls.py.", faults)
        callers = [({"caller": name}, count) for name, count in sorted(counts.callers.items())]
        yield _counter("edgeproxy_caller_requests", "Exchanges by the name of the key that was shown.", callers)
        events = [({"event": name}, count) for name, count in sorted(counts.events.items())]
        yield _counter("edgeproxy_balance_events", "What balancing did and saw, see docs/balancing.md.", events)
        yield from _routes(counts.routes)
        up = GaugeMetricFamily("edgeproxy_upstream_up", "What active health checks say.", labels=["backend"])
        for backend, alive in sorted(self._endpoints().items()):
            up.add_metric([backend], float(alive))
        yield up
        expiry = self._certificate_expiry()
        if expiry is not None:
            meaning = "When the certificate in use expires, in seconds since 1970."
            yield _gauge("edgeproxy_tls_certificate_expiry_timestamp_seconds", meaning, {}, expiry)


def _gauge(name: str, meaning: str, labels: Mapping[str, str], value: float) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=list(labels))
    family.add_metric(list(labels.values()), value)
    return family


def _counter(name: str, meaning: str, rows: Iterable[tuple[Mapping[str, str], float]]) -> Metric:
    rows = list(rows)
    family = CounterMetricFamily(name, meaning, labels=list(rows[0][0]) if rows else [])
    for labels, value in rows:
        family.add_metric(list(labels.values()), value)
    return family


def _routes(routes: Mapping[str, RouteCounts]) -> Iterable[Metric]:
    requests = CounterMetricFamily("edgeproxy_requests", "Exchanges.", labels=["route", "method", "code"])
    received = CounterMetricFamily("edgeproxy_request_bytes", "Request bodies.", labels=["route"])
    sent = CounterMetricFamily("edgeproxy_response_bytes", "Response bodies.", labels=["route"])
    seconds = HistogramMetricFamily(
        "edgeproxy_request_duration_seconds", "From the request's head to the answer's last byte.", labels=["route"]
    )
    for name, counts in sorted(routes.items()):
        for (method, status), count in sorted(counts.answers.items()):
            requests.add_metric([name, method.decode("ascii"), str(status)], count)
        received.add_metric([name], counts.bytes_in)
        sent.add_metric([name], counts.bytes_out)
        seconds.add_metric([name], _cumulative(counts.buckets), counts.seconds)
    return requests, received, sent, seconds


def _cumulative(buckets: Iterable[int]) -> list[tuple[str, float]]:
    bounds = [*(str(bound) for bound in BUCKETS), "+Inf"]
    reached = 0
    rows: list[tuple[str, float]] = []
    for bound, count in zip(bounds, buckets, strict=True):
        reached += count
        rows.append((bound, reached))
    return rows


def exposition(
    counts: Callable[[], Counters],
    endpoints: Callable[[], Mapping[str, bool]],
    certificate_expiry: Callable[[], float | None],
) -> Callable[[], bytes]:
    """A function that gives the page at `/metrics`. `certificate_expiry` is None without TLS."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_HostCollector(counts, endpoints, certificate_expiry))
    return lambda: generate_latest(registry)
