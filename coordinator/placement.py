"""Which services a worker shall run: strategic, and steady.

A newcomer takes what is covered worst (`newcomer`). A worker that comes back keeps what it had, and only adds
what is short (`returning`). When a service falls below its minimum, `repair` finds the fewest changes that
cover it: a worker with room, else a worker that gives up what others serve well, else a chain of such swaps.
That is an augmenting path of a flow between services and workers, the shortest one, so that coverage is the
best there is and no worker is disturbed without need. Pure; the order of workers plays no part.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from coordinator.fleet import Fleet, Kind, Member
from coordinator.resources import UNSAID

FAR: Final = 1_000_000
CHANGE: Final = 100  # a change weighs more than any number of hops: of equal paths the shorter one


class Step(NamedTuple):
    """One worker of the sort `member` shall hold the services of the mask `held` from now on."""

    member: Member
    held: int

    @property
    def starts(self) -> int:
        return self.held & ~self.member.held

    @property
    def stops(self) -> int:
        return self.member.held & ~self.held


def newcomer(fleet: Fleet, kind: Kind) -> int:
    """What a worker that has nothing yet shall run, as a mask; it is not in the fleet."""
    return _fill(fleet, kind, 0, kind.able)


def returning(fleet: Fleet, kind: Kind, had: int) -> int:
    """What a worker that comes back shall run; it is not in the fleet."""
    kept = had & kind.able
    if not kept:
        return newcomer(fleet, kind)
    rows = fleet.catalog.rows
    short = sum(1 << i for i in _bits(kind.able) if fleet.serving[i] < rows[i].minimum)
    return _fill(fleet, kind, kept, short)


def _fill(fleet: Fleet, kind: Kind, held: int, candidates: int) -> int:
    slots = fleet.slots(kind, joining=1)
    for index in sorted(_bits(candidates & ~held), key=lambda i: _need(fleet, i)):
        if held.bit_count() >= slots:
            break
        maximum = fleet.most(index)
        if (maximum is None or fleet.told[index] < maximum) and _has_room(fleet, kind, held | 1 << index):
            held |= 1 << index
    return held


def _need(fleet: Fleet, index: int) -> tuple[int, float, int, int]:
    """Sorts what nobody has before what is short, that before what is not at its desired number."""
    row, count = fleet.catalog.rows[index], fleet.serving[index]
    band = 0 if not count else 1 if count < row.minimum else 2
    return band, count / max(row.desired, 1), row.spec.priority, index


def _has_room(fleet: Fleet, kind: Kind, held: int) -> bool:
    if kind.memory == UNSAID and kind.vram == UNSAID:
        return True
    needs = [fleet.catalog.rows[i].need for i in _bits(held)]
    memory = kind.memory == UNSAID or sum(need.memory for need in needs) <= kind.memory
    return memory and (kind.vram == UNSAID or sum(need.vram for need in needs) <= kind.vram)


def repair(fleet: Fleet, displace: int = -1) -> list[Step]:
    """The fewest steps that cover what can be covered: every service once, then every service to its minimum.
    Nothing is given up for a service that is short but has somebody, unless it is in the mask `displace`.

    Steps of one repair are meant together. One that stops a service goes first by its replacement: see
    `Assignments`, which takes them only when nobody is left without."""
    if not any(fleet.serving[i] < row.minimum for i, row in enumerate(fleet.catalog.rows)):
        return []
    return _Plan(fleet).make(displace)


@dataclass(frozen=True, slots=True)
class _Edge:
    """A worker of `planned` may start a service at this cost, in place of `stop`."""

    cost: int
    planned: "_Planned"
    stop: int | None


class _Planned(NamedTuple):
    """What a worker of the sort `before` is after the plan."""

    member: Member
    before: Member


class _Path(NamedTuple):
    """What to start where, from the gap to its end."""

    cost: int
    steps: list[tuple[int, _Edge]]


class _Plan:
    """A copy of the counts, in which the changes are made one after the other."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._rows = fleet.catalog.rows
        self._count = list(fleet.serving)
        self._told = list(fleet.told)
        self._groups = {_Planned(member, member): n for member, n in fleet.groups.items()}
        self._slots = {kind: fleet.slots(kind) for kind in {member.kind for member in fleet.groups}}
        self._known_edges: dict[tuple[int, int | None], _Edge] | None = None

    def make(self, displace: int) -> list[Step]:
        for index in self._fleet.catalog.urgency:
            if not self._count[index] and self._rows[index].minimum:
                path = self._path(index, spare=False) or self._path(index, spare=True)
                if path is not None:
                    self._take(path)
        self._to_minimum(displace)
        return self._steps()

    def _to_minimum(self, displace: int) -> None:
        """The cheapest of all paths first: so are successive paths together the cheapest."""
        while paths := [
            (path.cost, self._count[index], rank, path)
            for rank, index in enumerate(self._fleet.catalog.urgency)
            if 0 < self._count[index] < self._rows[index].minimum
            and (path := self._path(index, spare=False, swaps=bool(displace >> index & 1))) is not None
        ]:
            self._take(min(paths, key=lambda found: found[:3])[3])

    def _take(self, path: "_Path") -> None:
        for start, edge in path.steps:
            self._apply(start, edge)

    def _path(self, gap: int, spare: bool, swaps: bool = True) -> "_Path | None":
        """Bellman-Ford over services: from the gap to a worker with room, or to a service that can spare
        one; None if there is no way. `spare`: a service may be brought below its minimum for it, as long as
        somebody is left. Ends are compared by cost, then by how much is over there."""
        maximum = self._fleet.most(gap)
        if maximum is not None and self._told[gap] >= maximum:
            return None
        edges = self._edges()
        cost, came = {gap: 0}, dict[int, tuple[int, _Edge]]()
        for _ in self._rows if swaps else ():
            if not self._relax(edges, cost, came, gap):
                break
        ends: list[tuple[tuple[int, int], int, _Edge | None]] = [
            ((spent + room.cost, -FAR), i, room) for i, spent in cost.items() if (room := edges.get((i, None)))
        ]
        ends += [
            ((spent, self._rows[i].minimum - self._count[i]), i, None)
            for i, spent in cost.items()
            if i != gap and self._can_spare(i, spare)
        ]
        if not ends:
            return None
        (total, _), end, last = min(ends, key=lambda found: found[:2])
        return self._checked(_Path(total, self._walk(came, gap, end, last)))

    def _checked(self, path: "_Path") -> "_Path | None":
        """Without paths that change one worker twice, which bounds of memory can bring about."""
        used = Counter(edge.planned for _, edge in path.steps)
        return None if any(times > self._groups[planned] for planned, times in used.items()) else path

    def _relax(
        self,
        edges: dict[tuple[int, int | None], _Edge],
        cost: dict[int, int],
        came: dict[int, tuple[int, _Edge]],
        gap: int,
    ) -> bool:
        better = False
        for (start, stop), edge in edges.items():
            if start in cost and stop is not None and stop != gap and cost[start] + edge.cost < cost.get(stop, FAR):
                cost[stop], came[stop] = cost[start] + edge.cost, (start, edge)
                better = True
        return better

    def _walk(
        self, came: dict[int, tuple[int, _Edge]], gap: int, end: int, last: _Edge | None
    ) -> list[tuple[int, _Edge]]:
        path = [] if last is None else [(end, last)]
        while end != gap and len(path) <= len(self._rows):
            start, edge = came[end]
            path.append((start, edge))
            end = start
        return path[::-1]

    def _can_spare(self, index: int, spare: bool) -> bool:
        return self._count[index] > (1 if spare else max(self._rows[index].minimum, 0))

    def _edges(self) -> dict[tuple[int, int | None], _Edge]:
        """Of all that can be changed, the cheapest worker for each start and stop."""
        if self._known_edges is not None:
            return self._known_edges
        edges = self._known_edges = {}
        for planned in sorted(self._groups):
            for start, stop in self._changes(planned.member):
                changes = _changes_made(planned.before.held, start) - _changes_made(planned.before.held, stop)
                cost = 1 + CHANGE * changes
                known = edges.get((start, stop))
                if known is None or cost < known.cost:
                    edges[start, stop] = _Edge(cost, planned, stop)
        return edges

    def _changes(self, member: Member) -> Iterator[tuple[int, int | None]]:
        if not member.open:
            return
        kind, held = member.kind, member.held
        room = held.bit_count() < self._slots[kind]
        for start in _bits(kind.able & ~held & ~member.serving):
            if room and _has_room(self._fleet, kind, held | 1 << start):
                yield start, None
            for stop in _bits(held & member.serving):
                if _has_room(self._fleet, kind, held & ~(1 << stop) | 1 << start):
                    yield start, stop

    def _apply(self, start: int, edge: _Edge) -> None:
        old, stop, self._known_edges = edge.planned, edge.stop, None
        self._groups[old] -= 1
        if not self._groups[old]:
            del self._groups[old]
        gone = 0 if stop is None else 1 << stop
        held, serving = (mask & ~gone | 1 << start for mask in (old.member.held, old.member.serving))
        new = _Planned(old.member._replace(held=held, serving=serving), old.before)
        self._groups[new] = self._groups.get(new, 0) + 1
        for counts in (self._count, self._told):
            counts[start] += 1
            if stop is not None:
                counts[stop] -= 1

    def _steps(self) -> list[Step]:
        changed = sorted(planned for planned in self._groups if planned.member.held != planned.before.held)
        return [Step(p.before, p.member.held) for p in changed for _ in range(self._groups[p])]


def _changes_made(before: int, index: int | None) -> int:
    """Whether to run a service, or to have run it, is a change."""
    return 0 if index is None or before >> index & 1 else 1


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
