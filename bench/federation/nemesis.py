"""Faults at random, then peace; what must hold is checked all the time. One seed, one story."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from bench.federation.actors import REGIONS
from bench.federation.simulator import Fleet

QUIET: Final = 40.0  # seconds at the start, in which everybody joins
TROUBLE: Final = 90.0
PEACE: Final = 75.0
CONVERGE_WITHIN: Final = 5.0
MOVE_WITHIN: Final = 8.0
REHOME_WITHIN: Final = 35.0  # one that could reach nobody for long asks every half minute


@dataclass
class Verdict:
    """`broken` says what did not hold, and when; `story` what was done."""

    seed: int
    story: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    rehomed: list[float] = field(default_factory=list)
    converged_after: float = 0.0
    loss: float = 0.0
    requests: int = 0
    user_errors: int = 0


def live(seed: int, workers: int = 30) -> Verdict:
    """One life of a fleet."""
    dice = Random(seed)
    skews = {name: dice.choice([0.0, 0.0, 3600.0, -3600.0]) for name in (*REGIONS, "core")}
    fleet = Fleet(seed, workers, loss=dice.choice([0.0, 0.0, 0.02, 0.05]), skews=skews)
    verdict = Verdict(seed, loss=fleet.loss)
    try:
        _live(fleet, dice, verdict)
    finally:
        fleet.close()
    verdict.rehomed = fleet.orphan_times
    verdict.requests, verdict.user_errors = fleet.requests, fleet.user_errors
    if fleet.user_errors:
        verdict.broken.append(f"I2: {fleet.user_errors} users' requests failed")
    return verdict


def _live(fleet: Fleet, dice: Random, verdict: Verdict) -> None:
    fleet.run(QUIET)
    for _ in range(dice.randint(3, 7)):
        fault = dice.choice(FAULTS)
        verdict.story.append(f"{fleet.world.now:.0f} {fault(fleet, dice)}")
        _watch(fleet, verdict, dice.uniform(2, 2 * TROUBLE / 7))
    healed = fleet.world.now
    fleet.world.heal()
    for name in fleet.coordinators:
        fleet.world.resume(name)
    for name in fleet.leaving():
        fleet.kill(name)
    for name in sorted(fleet.world.down):
        fleet.restart(name)
    verdict.story.append(f"{healed:.0f} healed")
    _check_heal(fleet, verdict, healed)


def _watch(fleet: Fleet, verdict: Verdict, seconds: float) -> None:
    end = fleet.world.now + seconds
    while fleet.world.now < end:
        fleet.run(1.0)
        if lost := fleet.lost():
            verdict.broken.append(f"I1: at {fleet.world.now:.0f} nobody knows {lost}")


def _check_heal(fleet: Fleet, verdict: Verdict, healed: float) -> None:
    fleet.run(0.5)
    while not fleet.converged() and fleet.world.now < healed + 60:
        fleet.run(0.25)
    verdict.converged_after = fleet.world.now - healed
    if verdict.converged_after > CONVERGE_WITHIN * (2 if fleet.loss else 1):  # a lost request costs a whole timeout
        verdict.broken.append(f"I6: views differ for {verdict.converged_after:.1f} s after the heal")
    fleet.run(max(0.0, healed + REHOME_WITHIN - fleet.world.now))
    _settle(fleet, lambda: not fleet.without_home())
    if homeless := fleet.without_home():
        verdict.broken.append(f"I1: {REHOME_WITHIN:g} s after the heal no home for {homeless}")
    _watch(fleet, verdict, PEACE - REHOME_WITHIN)
    _settle(fleet, lambda: not fleet.overlaps())
    if over := fleet.overlaps():
        verdict.broken.append(f"I3: two homes for {over}")
    _settle(fleet, lambda: not fleet.dead_listed())
    if dead := fleet.dead_listed():
        verdict.broken.append(f"I2: dead and listed {dead}")
    _settle(fleet, lambda: fleet.converged() and fleet.digests_equal())
    if not (fleet.converged() and fleet.digests_equal()):
        verdict.broken.append("I6: views or digests differ in peace")


def _settle(fleet: Fleet, holds: Callable[[], bool]) -> None:
    """With packets lost, somebody is always on the way from one home to another: that must end soon."""
    end = fleet.world.now + MOVE_WITHIN
    while not holds() and fleet.world.now < end:
        fleet.run(0.25)


def _kill(fleet: Fleet, dice: Random) -> str:
    name = dice.choice((*REGIONS, "core"))
    if {*fleet.world.down, *fleet.leaving()} - {name} or name in fleet.world.down:
        return "nothing: one is down already"
    if dice.random() < 0.3:
        fleet.coordinators[name].disk = []
    fleet.kill(name)
    after = dice.uniform(1, 40)
    fleet.world.at(fleet.world.now + after, lambda: fleet.restart(name) if name in fleet.world.down else None)
    return f"kill -9 {name}, back in {after:.0f} s"


def _drain(fleet: Fleet, dice: Random) -> str:
    name = dice.choice((*REGIONS, "core"))
    if fleet.world.down or fleet.leaving():
        return "nothing: one is down already"
    after = dice.uniform(1, 40)
    fleet.drain(name)
    fleet.coordinators[name].on_left = lambda: fleet.world.at(
        fleet.world.now + after, lambda: fleet.restart(name) if name in fleet.world.down else None
    )
    return f"SIGTERM {name}, back in {after:.0f} s when it has left"


def _pause(fleet: Fleet, dice: Random) -> str:
    name, seconds = dice.choice((*REGIONS, "core")), dice.uniform(1, 30)
    fleet.world.paused[name] = fleet.world.now + seconds
    return f"SIGSTOP {name} for {seconds:.0f} s"


def _part(fleet: Fleet, dice: Random) -> str:
    name = dice.choice((*REGIONS, "core"))
    local = {name, *(n for n, agent in fleet.workers.items() if agent.region == name)}
    others = {*fleet.coordinators, *fleet.workers} - local
    fleet.world.part(local, others)
    return f"{name} and its workers are cut off"


def _cut_coordinators(fleet: Fleet, dice: Random) -> str:
    one, other = dice.sample((*REGIONS, "core"), 2)
    fleet.world.cut.add((one, other))
    return f"{one} cannot reach {other}, which reaches it"


def _cut_worker(fleet: Fleet, dice: Random) -> str:
    name = dice.choice(list(fleet.workers))
    home = fleet.workers[name].failover.home
    fleet.world.cut.add((home, name) if dice.random() < 0.5 else (name, home))
    return f"{name} and {home}: one way is lost"


def _heal(fleet: Fleet, dice: Random) -> str:
    fleet.world.heal()
    return "the network heals"


def _kill_worker(fleet: Fleet, dice: Random) -> str:
    name = dice.choice(list(fleet.workers))
    fleet.kill_worker(name)
    return f"{name} dies"


def _revive_worker(fleet: Fleet, dice: Random) -> str:
    dead = [agent for agent in fleet.workers.values() if not agent.alive]
    for agent in dead:
        agent.revive()
    return f"{len(dead)} come back"


FAULTS: Final[tuple[Callable[[Fleet, Random], str], ...]] = (
    _kill,
    _kill,
    _drain,
    _drain,
    _pause,
    _part,
    _cut_coordinators,
    _cut_worker,
    _heal,
    _kill_worker,
    _revive_worker,
)
