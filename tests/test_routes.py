"""Which path goes where, in the tables of edge proxy and balancer."""

from __future__ import annotations

import pytest

from edgeproxy.discovery.snapshot import Endpoint, Snapshot
from edgeproxy.net import reverse
from edgeproxy.policy.balance.choice import Balancing
from edgeproxy.routes import Routes
from edgeproxy.telemetry.counters import Counters

EDGES = Snapshot.of([Endpoint.of("edge-proxy", "http://10.0.0.1:8787")])


def routes() -> Routes:
    return Routes(Counters(), Balancing(), b"{}")


@pytest.mark.parametrize("path", [b"/", b"/service/notes-coa/x", b"/v1/models", b"/api/worker/register"])
def test_the_balancer_passes_every_path_to_the_edges_as_it_is(path: bytes) -> None:
    route = routes().balancer(EDGES, "edge-proxy").match(path)
    assert (route.name, route.strip) == ("edge-proxy", 0)


def test_health_is_the_balancers_own() -> None:
    assert routes().balancer(EDGES, "edge-proxy").match(b"/health").local == b"{}"


def test_nobody_dials_in_where_there_is_no_reception() -> None:
    table = routes().edge(Snapshot.of((), ["notes-coa"]), ())
    assert table.match(reverse.PATH) is table.nowhere


@pytest.mark.parametrize("services", [[], ["notes-coa"]])
def test_a_service_that_is_not_in_the_catalog_is_nowhere(services: list[str]) -> None:
    table = routes().edge(Snapshot.of((), services), ())
    assert table.match(b"/service/unknown/x") is table.nowhere
