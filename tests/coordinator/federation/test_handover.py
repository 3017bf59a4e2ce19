"""Where the workers of a coordinator that leaves are sent, and when it may go."""

from collections import Counter

import pytest

from coordinator.federation.handover import LOOK_EVERY, Handover
from coordinator.federation.homes import Home, Homes
from coordinator.federation.link import LOST_AFTER, Peer
from coordinator.federation.node import Node
from coordinator.registry import Registry
from edgeproxy.cluster.messages import Registration
from tests.coordinator.federation.test_bridge import at

WORKERS = [f"w{number}" for number in range(4000)]


def node(**rates: float) -> Node:
    node = Node("eu", boot=1)
    node.know([Peer(name, "primary" if name == "core" else "regional", f"http://{name}") for name in rates])
    node.homes = Homes({name: Home(heard=0.0, accept_rate=rate) for name, rate in rates.items()})
    return node


def test_workers_are_spread_by_what_the_others_take_and_each_is_always_told_the_same() -> None:
    handover = Handover(node(us=3000.0, apac=1000.0, core=9000.0), set(WORKERS))
    told = [handover.target(name, 1.0) for name in WORKERS]
    shares = Counter(told)
    assert set(shares) == {"us", "apac"}
    assert 2.6 < shares["us"] / shares["apac"] < 3.4
    assert told == [handover.target(name, 2.0) for name in WORKERS]


def test_the_primary_takes_them_where_there_is_no_region() -> None:
    assert Handover(node(core=100.0, us=0.0), {"w1"}).target("w1", 1.0) == "core"


def test_who_leaves_takes_nobody() -> None:
    leaving = node(us=100.0)
    assert leaving._told_homes(1.0)["eu"].accept_rate > 0
    Handover(leaving, set())
    assert leaving._told_homes(1.0)["eu"].accept_rate == 0


def test_who_has_fallen_silent_or_is_in_no_list_any_more_is_nobody_to_go_to() -> None:
    silent = node(us=100.0, apac=100.0)
    silent.homes.known["apac"].heard = LOST_AFTER
    handover = Handover(silent, {"w1"})
    assert set(handover.takers(LOST_AFTER)) == {"apac"}
    silent.know([Peer("us", url="http://us")])
    assert not handover.takers(LOST_AFTER + LOOK_EVERY)
    assert handover.target("w1", LOST_AFTER + LOOK_EVERY) is None


def test_a_worker_that_cannot_prove_elsewhere_who_it_is_stays() -> None:
    handover = Handover(node(us=100.0), {"w1"})
    assert handover.target("w1", 1.0) == "us"
    assert handover.target("w2", 1.0) is None


@pytest.mark.parametrize("others", [{}, {"us": 100.0}])
def test_it_is_over_when_nobody_is_left_or_there_is_nowhere_to_go(others: dict[str, float]) -> None:
    registry = Registry(5.0, lambda: "x")
    handover = Handover(node(**others), set())
    registry.register(Registration(worker_id="w1", capabilities={}), at(1.0))
    assert handover.over(registry, 1.0) is not bool(others)
    registry.unregister("w1", at(1.5))
    assert handover.over(registry, 1.5)
