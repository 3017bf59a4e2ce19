"""What the federation promises, one test a promise: the shipped code under a virtual clock (docs/federation.md).

I4's budget and I14's bundles are tests/cluster/homes; I9's forged registrations are tests/coordinator/identity.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from bench.federation.actors import DRAIN, REGIONS
from bench.federation.nemesis import live
from bench.federation.simulator import Fleet
from coordinator.federation.link import Peer
from coordinator.federation.messages import decode, encode
from coordinator.federation.node import Node, Refused
from coordinator.federation.record import Record
from edgeproxy.cluster.homes.budget import Budget
from edgeproxy.cluster.homes.trust import Untrusted, open_bundle, sign_bundle
from tests.cluster.homes.test_trust import BUNDLE, ROOT, ROOTS

SEEDS = 200
MakeFleet = Callable[..., Fleet]


@pytest.fixture
def make() -> Iterator[MakeFleet]:
    fleets: list[Fleet] = []

    def new(workers: int = 30, seed: int = 1, **more: object) -> Fleet:
        fleets.append(Fleet(seed, workers, **more))  # type: ignore[arg-type]
        return fleets[-1]

    yield new
    for fleet in fleets:
        fleet.close()


@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_all_of_them_hold_through_random_faults(first: int) -> None:
    for seed in range(first, first + 20):
        verdict = live(seed, workers=18)
        assert not verdict.broken, (seed, verdict.broken, verdict.story)


def test_i1_no_live_worker_is_lost_when_a_coordinator_dies(make: MakeFleet) -> None:
    fleet = make(60)
    fleet.run(40)
    fleet.kill("eu")
    for _ in range(40):
        fleet.run(0.5)
        assert not fleet.lost()
    assert not fleet.without_home()
    times = sorted(fleet.orphan_times)
    assert len(times) == 20
    assert times[-1] < 10.0


def test_i2_users_notice_nothing_of_a_coordinators_death(make: MakeFleet) -> None:
    fleet = make(30)
    fleet.run(40)
    for name in (*REGIONS, "core"):
        fleet.kill(name)
        fleet.run(20)
        fleet.restart(name)
        fleet.run(40)
    assert fleet.requests > 1_000
    assert fleet.user_errors == 0


def test_i2_a_dead_worker_leaves_every_list_within_ten_seconds(make: MakeFleet) -> None:
    fleet = make(30)
    fleet.run(40)
    fleet.kill_worker("w0")
    fleet.run(10)
    assert "key-w0" not in {key for view in fleet.views().values() for key, _, _ in view}
    assert fleet.user_errors == 0


def test_i3_one_home_for_each_two_seconds_after_the_heal(make: MakeFleet) -> None:
    fleet = make(30)
    fleet.run(40)
    eu = {"eu"}
    fleet.world.part(eu, {*fleet.coordinators, *fleet.workers} - eu)
    fleet.run(7)  # the workers of eu live at others now, and eu does not know
    assert fleet.overlaps()
    fleet.world.heal()
    fleet.run(4)  # the first exchange comes within two seconds, then two more
    assert not fleet.overlaps()
    assert {home for view in fleet.views().values() for _, home, _ in view} == {"us", "apac"} | {
        a.failover.home for a in fleet.workers.values()
    } & {"core"}


def test_i3_a_stale_epoch_never_wins(make: MakeFleet) -> None:
    fleet = make(9)
    fleet.run(40)
    stale = fleet.record("eu", "w0")
    assert stale is not None
    fleet.kill("eu")
    fleet.run(20)
    fleet.restart("eu")
    fleet.run(5)
    eu = fleet.coordinators["eu"].node
    assert not eu.publish(replace(stale, boot=eu.boot, seq=10**6), fleet.world.now)
    fleet.run(20)
    assert fleet.record("core", "w0") == fleet.record("us", "w0")
    assert fleet.record("core", "w0").home != "eu"  # type: ignore[union-attr]


def test_i4_faults_write_nothing_to_the_emergency_store(make: MakeFleet) -> None:
    """What is written there is who the coordinators are; whether they live is not in it."""
    budget = Budget("the list")
    fleet = make(12)
    for second in range(120):
        if second % 20 == 10:
            fleet.kill("eu") if second % 40 == 10 else fleet.restart("eu")
        fleet.run(1)
        assert not budget.may_write("the list", fleet.world.now)


def test_i5_self_preservation_ends_and_the_dead_still_leave(make: MakeFleet) -> None:
    fleet = make(60)
    fleet.run(40)
    registry = fleet.coordinators["eu"].registry
    mine = [name for name in fleet.workers if name in registry.workers]
    fleet.world.part({"eu"}, set(mine))
    fleet.run(8)
    assert registry.watch.caution.on
    fleet.world.heal()
    for name in mine[:2]:
        fleet.kill_worker(name)
    fleet.run(30)
    assert not registry.watch.caution.on
    fleet.run(60)
    assert not fleet.dead_listed()


def test_i6_views_and_digests_are_equal_five_seconds_after_a_heal(make: MakeFleet) -> None:
    fleet = make(60)
    fleet.run(40)
    for name in REGIONS:
        local = {name, *(n for n, a in fleet.workers.items() if a.region == name)}
        fleet.world.part(local, {*fleet.coordinators, *fleet.workers} - local)
    fleet.kill_worker("w3")
    fleet.run(30)
    fleet.workers["w3"].revive()
    fleet.run(5)
    assert not fleet.converged()
    fleet.world.heal()
    fleet.run(5)
    assert fleet.converged()
    assert fleet.digests_equal()


def test_i7_a_restart_loses_nobody_and_the_view_is_full_at_once(make: MakeFleet) -> None:
    fleet = make(60)
    fleet.run(60)
    fleet.kill("us")
    fleet.restart("us")
    for _ in range(20):
        fleet.run(0.5)
        listed = {key for key, _, _ in fleet.views()["core"]}
        assert len(listed) >= 60 * 0.999
    assert len(fleet.views()["us"]) == 60


def test_i8_wrong_clocks_and_a_pause_kill_nobody(make: MakeFleet) -> None:
    fleet = make(30, skews={"eu": 3600.0, "us": -3600.0})
    fleet.run(40)
    fleet.world.paused["eu"] = fleet.world.now + 30
    fleet.run(90)
    assert not fleet.false_deaths()
    assert not fleet.lost()
    assert fleet.converged()


def test_i9_no_forged_or_replayed_delta_is_taken() -> None:
    """Here what the node itself refuses; signatures are checked before (test_wire)."""
    dice = Random(9)
    primary, region = Node("p", boot=1, role="primary"), Node("eu", boot=1)
    primary.know([Peer("eu"), Peer("us")])
    region.know([Peer("p", "primary", "http://p")])
    now, recorded = 0.0, []
    for number in range(50):
        region.publish(Record(f"w{number}", "eu", 1, 1, 1, region.observation()), now)
        for _, message in region.poll(now):
            recorded.append(message)
            region.answered("p", primary.receive(message, now), now)
        now += 1.0
    before, taken = dict(primary.view.records), 0
    for _ in range(20_000):
        now += 0.1
        message = dice.choice(recorded)
        forged = Record(f"w{dice.randrange(60)}", dice.choice(["us", "p", "x"]), 9, 9, 9, 9)
        kind = dice.randrange(3)
        if kind == 1:
            message = replace(message, sender=dice.choice(["us", "mallory", "p"]), records=(forged,))
        elif kind == 2:
            message = replace(message, number=message.number + 10**6, records=(forged,), sender="eu")
            primary.links["eu"].number = 0
        try:
            primary.receive(message, now)
        except Refused:
            continue
        taken += primary.view.records != before
    assert taken == 0


def test_i10_a_herd_comes_at_the_rate_that_is_taken(make: MakeFleet) -> None:
    fleet = make(600, accept_rate=20.0, users=False)
    fleet.run(80)
    assert not fleet.without_home()
    for coordinator in fleet.coordinators.values():
        coordinator.accepted.clear()
        coordinator.turned_away = 0
    fleet.kill("eu")
    fleet.run(40)
    assert not fleet.without_home()
    for coordinator in fleet.up():
        seconds = Counter(int(at) for at in coordinator.accepted)
        assert max(seconds.values(), default=0) <= 1.5 * 20
    tries = sum(len(c.accepted) + c.turned_away for c in fleet.up())
    assert sum(c.turned_away for c in fleet.up()) < 0.05 * tries


def test_i11_a_flapping_worker_is_not_passed_around(make: MakeFleet) -> None:
    fleet = make(12)
    fleet.run(40)
    for coordinator in fleet.coordinators.values():
        coordinator.accepted.clear()
    homes = []
    for _ in range(60):
        fleet.kill_worker("w0")
        fleet.run(30)
        fleet.workers["w0"].revive()
        fleet.run(30)
        record = fleet.record("core", "w0")
        assert record is not None
        homes.append(record.home)
    assert sum(one != other for one, other in pairwise(homes)) <= 3


def test_i12_who_can_be_heard_stays_though_nobody_reaches_him(make: MakeFleet) -> None:
    fleet = make(12)
    fleet.world.cut |= {(c, "w0") for c in fleet.coordinators} - {("eu", "w0")}
    fleet.run(40)
    registry = fleet.coordinators["eu"].registry
    fleet.coordinators["eu"].probe = lambda *a: registry.probed(  # type: ignore[method-assign]
        a[0], a[1], fleet.coordinators["eu"].now(), direct="silent", peer="silent"
    )
    fleet.run(120)
    worker = registry.workers["w0"]
    assert worker.live
    assert not fleet.false_deaths()
    assert fleet.record("core", "w0").up  # type: ignore[union-attr]


def test_i13_a_drain_hands_over_without_a_failed_request(make: MakeFleet) -> None:
    fleet = make(30)
    fleet.run(40)
    drained(fleet, "eu")
    assert fleet.world.now < 40 + 8, "an interval, and some"
    homes = Counter(agent.failover.home for agent in fleet.workers.values())
    assert set(homes) == {"us", "apac"}
    assert min(homes.values()) > 10, "those who stay share what one leaves"
    fleet.run(30)
    fleet.restart("eu")
    fleet.run(30)
    assert fleet.user_errors == 0
    assert not fleet.false_deaths()
    assert not fleet.overlaps()


def test_i13_a_herd_leaves_at_the_rate_that_others_take(make: MakeFleet) -> None:
    fleet = make(90, accept_rate=3.0)
    fleet.run(60)
    before = {name: len(coordinator.accepted) for name, coordinator in fleet.coordinators.items()}
    drained(fleet, "eu")
    assert 60 + 8 < fleet.world.now < 60 + DRAIN
    taken = [at for name, c in fleet.coordinators.items() for at in c.accepted[before[name] :]]
    assert max(Counter(map(int, taken)).values()) <= 2 * 1.5 * 3.0 + 1, "by two of them"
    assert not fleet.false_deaths()
    assert fleet.user_errors == 0


def test_i13_two_that_leave_together_send_nobody_to_each_other(make: MakeFleet) -> None:
    fleet = make(30)
    fleet.run(40)
    fleet.drain("us")
    drained(fleet, "eu")
    while "us" not in fleet.world.down:
        fleet.run(0.25)
        assert not fleet.without_home()
    assert {agent.failover.home for agent in fleet.workers.values()} == {"apac"}
    fleet.drain("apac")
    fleet.run(10)
    assert {agent.failover.home for agent in fleet.workers.values()} == {"core"}, "the primary, when there is no region"
    fleet.drain("core")
    fleet.run(1)
    assert not fleet.up(), "who has nowhere to send anybody leaves at once"
    assert fleet.user_errors == 0


def drained(fleet: Fleet, name: str) -> None:
    """SIGTERM, until it is down; nobody is without a home for a moment."""
    fleet.drain(name)
    while name not in fleet.world.down:
        fleet.run(0.25)
        assert not fleet.without_home()
        assert not fleet.lost()
    assert all(agent.orphaned_at is None for agent in fleet.workers.values())
    assert all(agent.failover.home != name for agent in fleet.workers.values())


def test_i14_a_rolled_back_or_frozen_bundle_is_refused_or_flagged() -> None:
    data = sign_bundle(BUNDLE, ROOT).dump()
    for version in range(BUNDLE.version + 1, BUNDLE.version + 100):
        with pytest.raises(Untrusted, match="was seen already"):
            open_bundle(data, ROOTS, at_least=version)
    assert open_bundle(data, ROOTS).stale(BUNDLE.not_after + 86_400)


def test_i15_without_the_primary_regions_go_on(make: MakeFleet) -> None:
    fleet = make(30)
    fleet.run(40)
    fleet.kill("core")
    fleet.run(600)
    fleet.kill("eu")
    fleet.run(20)
    assert not fleet.without_home()
    fleet.restart("eu")
    for name in ("w0", "w1"):
        fleet.kill_worker(name)
        fleet.run(20)
        fleet.workers[name].revive()
    fleet.run(3_000)
    assert not fleet.without_home()
    assert not fleet.lost()
    assert fleet.converged()
    assert fleet.user_errors == 0


def test_i16_lost_packets_kill_nobody(make: MakeFleet) -> None:
    """Thirty workers for four hours at 2 %: five worker-days."""
    fleet = make(30, loss=0.02, users=False)
    fleet.run(4 * 3600.0)
    assert not fleet.false_deaths()


def test_the_same_seed_is_the_same_story() -> None:
    one, other = live(7, workers=12), live(7, workers=12)
    assert (one.story, one.rehomed, one.requests) == (other.story, other.rehomed, other.requests)


def test_messages_survive_the_wire(make: MakeFleet) -> None:
    fleet = make(6)
    fleet.run(30)
    for coordinator in fleet.up():
        for link in coordinator.node.links.values():
            link.next_digest = 0.0
            message = coordinator.node._message(link, fleet.world.now)
            assert decode(encode(message)) == message
