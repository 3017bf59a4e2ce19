"""Whatever happens to a fleet: who beats is never called dead, who is gone is, and caution ends."""

from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator import caution
from tests.coordinator.transcript import World

NAMES = [f"w{number}" for number in range(1, 13)]
KINDS = ("cpu", "edge", "gpu", "cpu nat")

fates = st.sampled_from(("dies", "vanishes", "cut", "mute", "back", "back", "breaks"))
happenings = st.lists(
    st.one_of(
        st.tuples(fates, st.lists(st.sampled_from(NAMES), min_size=1, max_size=12, unique=True)),
        st.tuples(st.just("stall"), st.sampled_from((["3"], ["20"], ["60"]))),
        st.tuples(st.just("restart"), st.just([])),
    ),
    max_size=8,
)
kinds = st.lists(st.sampled_from(KINDS), min_size=len(NAMES), max_size=len(NAMES))
MOST_SILENCE = caution.LIMIT + 25  # a lease, caution, and the time to notice


@given(kinds, happenings, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_living_stay_and_the_gone_go(kinds: list[str], story: list[tuple[str, list[str]]], chance: object) -> None:
    world, time = World(), 0.0
    for name, kind in zip(NAMES, kinds, strict=True):
        world.run(f"> {time} joins {name} {kind}")
        time = round(time + chance.uniform(0.1, 1.5), 1)  # type: ignore[attr-defined]
    for what, whom in story:
        time = round(time + chance.uniform(0.5, 20), 1)  # type: ignore[attr-defined]
        world.run(f"> {time} {what} {' '.join(whom)}")
        _check_the_living(world)
    time += 70  # stalls are over, and everybody's next heartbeat was heard
    world.run(f"> {time} wait")
    _check_the_living(world)
    world.run(f"> {time + MOST_SILENCE} wait")
    _check_the_living(world)
    registry = world.registry
    for name, machine in world.machines.items():
        worker = registry.workers.get(name)
        answers = "alive" in (machine.path, machine.peer)
        if not machine.beats and not answers:
            assert worker is None or worker.status == "offline", name
    assert not registry.watch.caution.on


def _check_the_living(world: World) -> None:
    """Somebody that beats is in the list, whatever befell us."""
    for name, machine in world.machines.items():
        if machine.beats and machine.is_heard:
            assert world.registry.workers[name].live, name
