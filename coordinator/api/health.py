"""Whether the coordinator is well, and its numbers in Prometheus' text format."""

from collections import Counter
from collections.abc import Iterator, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from coordinator.api.answers import json_answer, problem
from coordinator.api.describe import described
from coordinator.api.state import STATE, State

routes = web.RouteTableDef()


@routes.get("/health")
@described("Well, and how many workers", {"status": "string", "workers": "object"})
async def health(request: web.Request) -> web.Response:
    state = request.app[STATE]
    at = state.clock()
    total, active = len(state.registry.workers), len(state.registry.live(at))
    return json_answer(
        {
            "status": "draining" if state.draining else "healthy",
            "coordinator": "edgeproxy",
            "timestamp": at.wall.isoformat(),
            "workers": {"total": total, "active": active, "stale": total - active},
        }
    )


@routes.get("/healthz")
@described("The process lives", "string", content="text/plain")
async def alive(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


@routes.get("/readyz")
@described("It takes requests", "string", content="text/plain")
async def ready(request: web.Request) -> web.Response:
    if request.app[STATE].draining:
        return problem(503, "the coordinator is leaving", {"Retry-After": "5"})
    return web.Response(text="ready\n")


@routes.get("/metrics")
@described("Numbers in Prometheus' text format", "string", content="text/plain")
async def metrics(request: web.Request) -> web.Response:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(request.app[STATE]))
    return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


class _Numbers(Collector):
    """Taken at the moment of the question. The names that end in `_total` are the seed's, though they are
    gauges."""

    def __init__(self, state: State) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        at = self._state.clock()
        registry = self._state.registry
        running = registry.running(at)
        statuses = Counter[str](worker.status for worker in registry.workers.values())
        yield _gauge("coordinator_workers_total", "Workers that are remembered", sum(statuses.values()))
        yield _gauge("coordinator_workers_active", "Workers whose lease is good", len(registry.live(at)))
        yield _gauge("coordinator_services_total", "Services of the catalogue", len(registry.catalog))
        yield _by_label("coordinator_workers", "Workers by status", "status", statuses)
        covered = {name: len(running.get(name, ())) for name in registry.catalog}
        yield _by_label("coordinator_service_workers", "Healthy workers by service", "service", covered)
        yield _gauge("coordinator_watchers", "Readers that wait for changes", len(self._state.watchers))
        yield _gauge("coordinator_sessions", "Workers that sign", len(self._state.gate.sessions))
        yield _gauge("coordinator_revoked_keys", "Keys that are good no more", len(self._state.gate.revoked))
        yield CounterMetricFamily("coordinator_events", "Changes of the fleet", value=registry.events.revision)
        for name in ("registrations", "signed_registrations", "heartbeats", "unregistrations", "relayed"):
            yield CounterMetricFamily(f"coordinator_{name}", f"Successful {name}", value=self._state.counts[name])
        yield _gauge("coordinator_values", "Small values that machines left", len(self._state.keys))
        failed = self._state.counts["failed_logins"]
        yield CounterMetricFamily("coordinator_failed_logins", "Log-ins with a wrong password", value=failed)
        yield from self._store()
        refused = self._state.counts["refused"]
        yield CounterMetricFamily(
            "coordinator_refused", "Requests without the right, or too many of them", value=refused
        )

    def _store(self) -> Iterator[Metric]:
        federation = self._state.federation
        if federation is None or federation.is_degraded is None:
            return
        degraded = int(federation.is_degraded)
        yield _gauge("coordinator_shared_store_degraded", "1: the site's store is away, we go on alone", degraded)
        away = self._state.counts["shared_store_away"]
        yield CounterMetricFamily(
            "coordinator_shared_store_away", "Counts of limits that the store did not take", value=away
        )


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _by_label(name: str, text: str, label: str, values: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
