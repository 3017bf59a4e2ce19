"""What the operator chose arrives where it works: strategies, weights, sessions, bounds; and what was learnt stays."""

from __future__ import annotations

import pytest

from edgeproxy.discovery.snapshot import Endpoint, Snapshot
from edgeproxy.discovery.static import static_snapshot
from edgeproxy.policy.affinity import prompt_key, session_reader
from edgeproxy.policy.balance.choice import Balancing
from edgeproxy.policy.balance.prefix_affinity import Rendezvous
from edgeproxy.policy.balance.prequal import Prequal
from edgeproxy.policy.balance.round_robin import RoundRobin
from edgeproxy.proxy.table import Pool, Table
from edgeproxy.routes import Routes
from edgeproxy.settings import ProxySettings, per_service
from edgeproxy.telemetry.counters import Counters

CHOICE = Balancing(
    strategies={"": "prequal", "llm-inference": "prefix_affinity", "notes": "round_robin"},
    sessions={"ner": session_reader("cookie:sid")},
    max_in_flight=5,
    queue=100,
    processes=2,
)


def routes(choice: Balancing = CHOICE) -> Routes:
    return Routes(Counters(), choice, b"{}", now=lambda: 50.0)


def pool(table: Table, service: str) -> Pool:
    found = table.services[service.encode()].pool
    assert found is not None
    return found


def snapshot(*services: str, url: str = "http://a:1", slots: int = 0) -> Snapshot:
    return Snapshot.of([Endpoint.of(service, url, slots=slots) for service in services], services)


def test_each_service_has_its_strategy() -> None:
    table = routes().edge(snapshot("llm-inference", "notes", "ner", "other"), [])
    assert isinstance(pool(table, "notes").strategy, RoundRobin)
    assert isinstance(pool(table, "other").strategy, Prequal)
    llm, ner = pool(table, "llm-inference"), pool(table, "ner")
    assert isinstance(llm.strategy, Rendezvous)
    assert isinstance(ner.strategy, Rendezvous)
    assert (llm.reader, llm.reads_body) == (prompt_key, True)
    assert ner.reader is not None
    assert not ner.reads_body


def test_bounds_are_shared_by_the_processes() -> None:
    table = routes().edge(snapshot("notes"), [])
    assert pool(table, "notes").workers[0].slots == 3
    assert pool(table, "notes").traffic.queue_limit == 50
    table = routes().edge(snapshot("notes", slots=8), [])
    assert pool(table, "notes").workers[0].slots == 4


def test_no_worker_is_routed_to_before_it_was_seen_alive() -> None:
    made = routes()
    table = made.edge(snapshot("notes"), [])
    worker = pool(table, "notes").workers[0]
    assert not worker.available(50.0)
    made.probed({worker.id: True})
    assert worker.available(50.0)


def test_a_verdict_may_come_before_the_worker() -> None:
    made = routes()
    made.probed({"notes@http://a:1": True, "ner@http://a:1": False})
    table = made.edge(snapshot("notes", "ner"), [])
    assert pool(table, "notes").workers[0].available(50.0)
    assert pool(table, "ner").workers[0].probed_down


def test_a_coordinator_needs_no_check() -> None:
    table = routes().edge(snapshot("notes"), [Endpoint.of("coordinator", "http://c:1")])
    api = table.match(b"/api/x").pool
    assert api is not None
    assert api.workers[0].available(50.0)


def test_what_was_learnt_stays_from_list_to_list() -> None:
    made = routes()
    before = pool(made.edge(snapshot("notes"), []), "notes")
    after = pool(made.edge(Snapshot.of([Endpoint.of("notes", "http://a:1", weight=3.0)], ["notes"]), []), "notes")
    assert after.traffic is before.traffic
    assert after.strategy is before.strategy
    assert after.workers[0] is before.workers[0]
    assert after.workers[0].weight == 3.0


def test_upstreams_have_weights_and_slots() -> None:
    endpoints = list(static_snapshot("http://a:1;weight=2.5;slots=4, http://b:1").all_endpoints())
    assert [(each.weight, each.slots) for each in endpoints] == [(2.5, 4), (1.0, 0)]
    [sent] = Snapshot.from_message(static_snapshot("http://a:1;slots=4").to_message()).all_endpoints()
    assert sent.slots == 4


@pytest.mark.parametrize(
    "wrong", ["http://a:1;weight=0", "http://a:1;weight=x", "http://a:1;size=2", "http://a:1;slots=-1"]
)
def test_wrong_upstream_options_are_named(wrong: str) -> None:
    with pytest.raises(ValueError, match="weight"):
        static_snapshot(wrong)


def test_settings() -> None:
    settings = ProxySettings.model_validate({"EDGEPROXY_BALANCE": "least_request,llm-inference=prefix_affinity"})
    assert per_service(settings.balance, str) == {"": "least_request", "llm-inference": "prefix_affinity"}


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("EDGEPROXY_BALANCE", "fastest", "'fastest' is no strategy: use round_robin, least_request"),
        ("EDGEPROXY_BALANCE", "a=round_robin,a=prequal", "a is set twice"),
        ("EDGEPROXY_BALANCE", "=round_robin", "names no service"),
        ("EDGEPROXY_AFFINITY", "session", "is not cookie:NAME or header:NAME"),
    ],
)
def test_wrong_settings_are_named(variable: str, value: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ProxySettings.model_validate({variable: value})
