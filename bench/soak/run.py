"""Phases: users ask, a fault comes and goes, users leave, and the edge is looked at, at rest."""

from __future__ import annotations

import asyncio
import itertools
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from bench.measure import ProcessEnded
from bench.soak.faults import CERTIFICATE, FAULTS, MIXED, NOTHING, OF_WORKERS, Fault, NotHealed, both
from bench.soak.report import MEMORY_SLACK, Phase, Sample
from bench.soak.users import Users
from bench.soak.world import Size, World
from bench.soak.worlds import Sealed, Whole

ASKERS, STREAMS = 16, 8
BEFORE_S = 1.0
REST_S = 1.5
SETTLED_S = 20.0
"""For processes that are leaving after a reload to be gone, and memory to be given back."""

Tell = Callable[[str], None]


@dataclass(slots=True)
class Run:
    """`told` is called with what is being done, and with each phase that is over."""

    seed: int
    tell: Tell
    started: float = field(default_factory=monotonic)
    phases: list[Phase] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    async def each(self, faults: Iterable[Fault]) -> None:
        """One after the other, in one world where they allow it. The first phase of each is without a fault."""
        able = [fault for fault in faults if not fault.unable() and fault is not NOTHING]
        for made, alike in itertools.groupby(able, key=lambda fault: fault.made):
            await self._in_a_world(made, alike)

    async def mixed(self, until: float) -> None:
        """Faults by chance, from the seed alone, until the time on the monotonic clock: half of it in the open, half
        behind TLS with a full disk."""
        chance, half = random.Random(self.seed), monotonic() + (until - monotonic()) / 2
        if any(fault.unable() for fault in MIXED):
            await self._in_a_world(World, _until(until, chance, FAULTS[1:]))
            return
        await self._in_a_world(Whole, _until(half, chance, MIXED))
        await self._in_a_world(Sealed, _until(until, chance, (*MIXED, CERTIFICATE)))

    async def _in_a_world(self, made: Callable[[Path], World], faults: Iterable[Fault]) -> None:
        with _world(made) as world:
            chance, base = random.Random(self.seed), None
            for fault in itertools.chain([NOTHING], faults):
                self.tell(fault.name)
                phase = await self._phase(world, fault, chance, base)
                base = base or phase.rest
                self.phases.append(phase)
                self.samples.append(Sample(monotonic() - self.started, phase.rest))

    async def _phase(self, world: World, fault: Fault, chance: random.Random, base: Size | None) -> Phase:
        users = Users(world, chance.randrange(2**32), first=len(self.phases) * 10_000_000)
        before, trouble = world.executed(), ""
        async with asyncio.TaskGroup() as group:
            group.create_task(users.run(ASKERS, STREAMS))
            await asyncio.sleep(BEFORE_S)
            try:
                await fault.act(world, chance)
            except (NotHealed, TimeoutError) as error:
                trouble = str(error) or "what was broken did not come back in time"
            finally:
                users.stop()
        rest = await _at_rest(world, base)
        executed = world.executed() - before
        twice = sum(times > 1 for identity, times in executed.items() if identity in users.counts.posted)
        return Phase(fault, users.counts, twice, rest, base or rest, trouble)


def _until(until: float, chance: random.Random, faults: Sequence[Fault]) -> Iterator[Fault]:
    """Every second time two at once, of which one is a worker's: replicas remain, so the invariants do."""
    others = [fault for fault in faults if fault not in OF_WORKERS]
    while monotonic() < until:
        yield chance.choice(faults)
        yield both(chance.choice(OF_WORKERS), chance.choice(others))


@contextmanager
def _world(kind: Callable[[Path], World]) -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="edgeproxy-soak-", ignore_cleanup_errors=True) as made:
        world = kind(Path(made))
        try:
            world.start()
            yield world
        finally:
            world.stop()


async def _at_rest(world: World, base: Size | None) -> Size:
    """Once processes that are leaving have left and memory is given back, or should have been: twice the same."""
    await asyncio.sleep(REST_S)
    until, previous = monotonic() + SETTLED_S, None
    while True:
        size = _size(world)
        settled = size is not None and _as_before(size, base or size)
        if settled and previous and size and previous.descriptors == size.descriptors:
            return size
        if monotonic() > until:
            return size or world.size()
        previous = size if settled else None
        await asyncio.sleep(0.5)


def _as_before(size: Size, base: Size) -> bool:
    return size.processes == base.processes and size.memory <= base.memory + MEMORY_SLACK


def _size(world: World) -> Size | None:
    try:
        return world.size()
    except ProcessEnded:
        return None
