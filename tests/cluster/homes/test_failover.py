"""A coordinator dies: the retry, the place in the herd, the backup; and the slow way back."""

import random
from collections import Counter

from edgeproxy.cluster.homes.failover import Failover, place, rendezvous


def worker(name: str = "w1", **fields: object) -> Failover:
    return Failover(name, "eu", ("us", "apac"), dice=random.Random(1), **fields)  # type: ignore[arg-type]


def fall(failover: Failover, now: float = 100.0) -> None:
    failover.missed(now)
    failover.missed(failover.step(now).at)


def test_one_lost_heartbeat_moves_nobody() -> None:
    failover = worker()
    failover.missed(10.0)
    step = failover.step(10.0)
    assert (step.action, step.name, step.at) == ("beat", "eu", 10.25)
    failover.heard(10.3)
    assert failover.step(10.3).action == "beat"
    assert not failover.fallen


def test_the_second_sends_us_to_the_backup() -> None:
    failover = worker()
    fall(failover)
    step = failover.step(101.0)
    assert (step.action, step.name) == ("claim", "us")
    failover.claimed("us", 102.0)
    assert failover.home == "us"
    assert failover.others == ("apac", "eu")
    assert failover.preferred == "eu"


def test_when_the_backup_is_dead_too_the_others_are_tried_with_growing_pauses() -> None:
    failover = worker()
    fall(failover)
    seen, now, pauses = [], 100.25, []
    for _ in range(18):
        step = failover.step(now)
        seen.append(step.name)
        pauses.append(step.at - now)
        now = step.at
        failover.refused(step.name, now)
    assert seen[:4] == ["us", "apac", "eu", "us"]
    assert pauses[1:3] == pauses[4:6] == [0.25, 0.25]
    between = pauses[3::3]
    assert max(between) <= 30.0
    assert between[-1] > 2 * between[0]


def test_i10_a_herd_comes_at_the_rate_that_it_is_taken_in() -> None:
    seconds: Counter[int] = Counter()
    for number in range(10_000):
        failover = worker(f"w{number}", workers=10_000, accept_rate=2_000.0)
        fall(failover, 100.0 + (number % 50) / 10)
        seconds[int(failover.step(0.0).at)] += 1
    assert max(seconds.values()) <= 1.5 * 2_000


def test_a_retry_after_is_kept_and_spread() -> None:
    waits = set()
    for number in range(20):
        failover = Failover(f"w{number}", "eu", ("us",), dice=random.Random(number))
        fall(failover)
        failover.refused("us", 101.0, retry_after=5.0)
        waits.add(failover.step(101.0).at)
    assert len(waits) == 20
    assert min(waits) >= 106.0


def test_the_way_back_is_slow_and_slower_after_each_fall() -> None:
    failover = worker()
    for expected in (600.0, 1_200.0, 2_400.0):
        fall(failover, 1_000.0)
        failover.claimed("us", 1_001.0)
        failover.probed("eu", True, 2_000.0)
        failover.probed("eu", True, 2_000.0 + expected - 1)
        assert failover._back_at is None
        failover.probed("eu", True, 2_000.0 + expected)
        assert failover._back_at is not None
        failover.claimed("eu", 3_000.0)
        assert failover.others[-1] == "us"
        failover.others = ("us", "apac")


def test_a_home_that_falls_again_meanwhile_is_not_gone_back_to() -> None:
    failover = worker()
    fall(failover)
    failover.claimed("us", 101.0)
    failover.probed("eu", True, 200.0)
    failover.probed("eu", False, 500.0)
    failover.probed("eu", True, 801.0)
    assert failover._back_at is None


def test_one_per_cent_goes_back_in_a_second() -> None:
    moments = []
    for number in range(5_000):
        failover = worker(f"w{number}")
        fall(failover)
        failover.claimed("us", 101.0)
        failover.probed("eu", True, 200.0)
        failover.probed("eu", True, 800.0)
        assert failover._back_at is not None
        moments.append(int(failover._back_at))
    assert max(Counter(moments).values()) <= 100


def test_a_drain_moves_to_where_it_says_and_some_day_back() -> None:
    failover = worker(workers=100, accept_rate=2_000.0)
    failover.drained("apac", 10.0)
    assert failover.turn is not None
    assert failover.turn.at <= 10.05
    assert (failover.turn.action, failover.turn.name) == ("claim", "apac")
    assert not failover.fallen
    failover.claimed("apac", 10.05)
    assert (failover.home, failover.turn, failover.preferred) == ("apac", None, "eu")
    failover.probed("eu", True, 100.0)
    failover.probed("eu", True, 700.0)
    assert failover.turn is not None
    assert failover.turn.name == "eu"


def test_until_its_turn_a_drained_worker_beats_at_home() -> None:
    failover = worker(workers=20_000, accept_rate=400.0)
    failover.heard(0.0)
    failover.drained("us", 0.0)
    assert failover.turn is not None
    turn = failover.turn.at
    assert turn > 10.0, "this worker's place is not among the first"
    now, beats = 0.0, 0
    while (step := failover.step(now)).action == "beat":
        now, beats = step.at, beats + 1
        failover.heard(now)
        failover.drained("us", now)
    assert (step.at, step.name) == (turn, "us")
    assert beats >= 2


def test_a_drain_sends_nobody_to_whom_he_does_not_know() -> None:
    failover = worker()
    failover.drained("mallory", 10.0)
    assert failover.turn is None
    assert failover.step(10.0).action == "beat"


def test_a_home_that_dies_while_it_leaves_is_a_fall() -> None:
    failover = worker(workers=20_000, accept_rate=400.0)
    failover.drained("us", 0.0)
    fall(failover, 1.0)
    assert failover.fallen
    step = failover.step(1.0)
    assert (step.action, step.name) == ("claim", "us")
    failover.claimed("us", 2.0)
    assert not failover.fallen


def test_who_is_refused_everywhere_stays_and_is_told_again() -> None:
    failover = worker()
    failover.drained("us", 0.0)
    failover.stayed()
    assert (failover.turn, failover.preferred, failover.step(0.0).name) == (None, None, "eu")
    failover.drained("apac", 5.0)
    assert failover.turn is not None
    assert failover.turn.name == "apac"


def test_alone_one_stays_and_asks_on() -> None:
    failover = Failover("w1", "eu", dice=random.Random(1))
    for _ in range(10):
        now = failover.step(0.0).at
        failover.missed(now)
    assert failover.step(now).name == "eu"
    assert failover.step(now).at <= now + 30.0


def test_survivors_share_what_one_leaves() -> None:
    first = Counter(rendezvous(f"w{n}", ["us", "apac", "core"])[0] for n in range(3_000))
    assert max(first.values()) < 1.15 * min(first.values())
    heavy = Counter(rendezvous(f"w{n}", ["us", "apac"], {"us": 3.0})[0] for n in range(4_000))
    assert 2.7 < heavy["us"] / heavy["apac"] < 3.3


def test_places_are_spread_evenly() -> None:
    tenths = Counter(int(place(f"w{n}") * 10) for n in range(10_000))
    assert min(tenths.values()) > 900
