"""Whether the coordinator is well, and its numbers in Prometheus' text format."""

from collections import Counter
from collections.abc import Iterator, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from coordinator.api.answers import json_answer, problem
from coordinator.api.state import STATE, State
from coordinator.catalog import CATALOG

routes = web.RouteTableDef()


@routes.get("/health")
async def health(request: web.Request) -> web.Response:
    state = request.app[STATE]
    at = state.clock()
    total, active = len(state.registry.workers), len(state.registry.live(at))
    return json_answer(
        {
            "status": "healthy",
            "coordinator": "edgeproxy",
            "timestamp": at.wall.isoformat(),
            "workers": {"total": total, "active": active, "stale": total - active},
        }
    )


@routes.get("/healthz")
async def alive(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


@routes.get("/readyz")
async def ready(request: web.Request) -> web.Response:
    if request.app[STATE].draining:
        return problem(503, "the coordinator is leaving", {"Retry-After": "5"})
    return web.Response(text="ready\n")


@routes.get("/metrics")
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
        yield _gauge("coordinator_services_total", "Services of the catalogue", len(CATALOG))
        yield _by_label("coordinator_workers", "Workers by status", "status", statuses)
        covered = {name: len(running.get(name, ())) for name in CATALOG}
        yield _by_label("coordinator_service_workers", "Healthy workers by service", "service", covered)
        for name in ("registrations", "heartbeats", "unregistrations"):
            yield CounterMetricFamily(f"coordinator_{name}", f"Successful {name}", value=self._state.counts[name])


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _by_label(name: str, text: str, label: str, values: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
