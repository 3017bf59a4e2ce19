"""Who comes in: room for all, for one address, over processes; and the pause when there is none."""

from __future__ import annotations

from collections import Counter

import pytest

from edgeproxy.net.door import Door
from edgeproxy.policy.address import Source

ANN = Source("192.0.2.1", 1)
BOB = Source("192.0.2.2", 2)
PROXY = Source("198.51.100.1", 3, exempt=True)


class Others:
    """What other processes hold of anybody."""

    def __init__(self, held: int) -> None:
        self.held = held
        self.told: dict[int, int] = {}

    def elsewhere(self, key: int) -> int:
        return self.held

    def hold(self, key: int, count: int) -> None:
        self.told[key] = count


class Listening:
    def __init__(self, door: Door) -> None:
        self.accepts = True
        door.shut, door.open = self.shut, self.open

    def shut(self) -> None:
        assert self.accepts
        self.accepts = False

    def open(self) -> None:
        assert not self.accepts
        self.accepts = True


def test_one_address_has_its_share_and_others_theirs() -> None:
    counted: Counter[str] = Counter()
    door = Door(of_one=2, count=lambda name: counted.update([name]))
    assert [door.enter(ANN) for _ in range(3)] == [True, True, False]
    assert door.enter(BOB)
    assert counted == {"connection_refused": 1}
    door.leave(ANN)  # the one that was refused leaves too
    assert not door.enter(ANN)
    door.leave(ANN)
    door.leave(ANN)
    assert door.enter(ANN)


def test_who_is_exempt_has_no_share() -> None:
    door = Door(of_one=2)
    assert all(door.enter(PROXY) for _ in range(10))


def test_what_other_processes_hold_counts() -> None:
    others = Others(held=1)
    door = Door(of_one=2, presence=others)  # type: ignore[arg-type]
    assert [door.enter(ANN), door.enter(ANN)] == [True, False]
    assert others.told == {ANN.key: 2}
    door.leave(ANN)
    door.leave(ANN)
    assert others.told == {ANN.key: 0}


def test_an_address_that_left_leaves_nothing_behind() -> None:
    others = Others(held=0)
    door = Door(presence=others)  # type: ignore[arg-type]
    for number in range(1000):
        source = Source(f"source {number}", number)
        assert door.enter(source)
        door.leave(source)
    assert door.inside == 0
    assert set(others.told.values()) == {0}


@pytest.mark.parametrize("most", [1, 10, 100])
def test_the_door_shuts_at_the_bound_and_opens_with_room(most: int) -> None:
    counted: Counter[str] = Counter()
    door = Door(most=most, count=lambda name: counted.update([name]))
    listening = Listening(door)
    assert all(door.enter(ANN) for _ in range(most))
    assert not listening.accepts
    assert not door.enter(BOB)  # it was accepted in the same turn
    door.leave(BOB)
    door.look()
    assert not listening.accepts  # no room yet
    while door.inside > most * 0.95:
        door.leave(ANN)
    assert not listening.accepts  # not before somebody looks
    door.look()
    door.look()
    assert listening.accepts
    assert counted == {"accept_paused": 1, "connection_refused": 1}
