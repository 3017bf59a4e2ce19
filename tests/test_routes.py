"""Which path goes where, in the tables of edge proxy and balancer."""

import pytest

from edgeproxy.discovery.snapshot import Endpoint, Snapshot
from edgeproxy.net import reverse
from edgeproxy.routes import Routes
from edgeproxy.telemetry.counters import Counters


def routes() -> Routes:
    return Routes(Counters(), "round_robin", b"{}")


@pytest.mark.parametrize("path", [b"/", b"/service/notes-coa/x", b"/v1/models", b"/api/worker/register"])
def test_the_balancer_passes_every_path_to_the_edges_as_it_is(path: bytes) -> None:
    snapshot = Snapshot.of([Endpoint.of("edge-proxy", "http://10.0.0.1:8787")])
    route = routes().balancer(snapshot, "edge-proxy").match(path)
    assert (route.name, route.strip) == ("edge-proxy", 0)


def test_health_is_the_balancers_own() -> None:
    assert routes().balancer(Snapshot.of(()), "edge-proxy").match(b"/health").local == b"{}"


def test_nobody_dials_in_where_there_is_no_door() -> None:
    table = routes().edge(Snapshot.of((), ["notes-coa"]), ())
    assert table.match(reverse.PATH) is table.nowhere
    assert table.match(b"/service/unknown/x") is table.nowhere
