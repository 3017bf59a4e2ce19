"""The seed's rules by example, and by property against the best assignment there is."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.catalog import CATALOG, Catalog, Wanted
from coordinator.fleet import Fleet, Kind, Member, kind_of
from coordinator.placement import newcomer, repair, returning
from coordinator.resources import UNSAID, Resources
from edgeproxy.cluster.services import SERVICES
from tests.coordinator.oracle import best

ANY = Resources(UNSAID, UNSAID, UNSAID)
LANES = ("gpu", "cpu", "storage", "edge")


def sort(lane: str, *runnable: str, machine: Resources = ANY) -> Kind:
    return kind_of(CATALOG, lane, machine, runnable or None)  # type: ignore[arg-type]


def fleet_of(*members: Member) -> Fleet:
    fleet = Fleet(CATALOG)
    for member in members:
        fleet.add(member)
    return fleet


def holds(lane: str, *names: str, runnable: tuple[str, ...] = ()) -> Member:
    mask = CATALOG.mask(names)
    return Member(sort(lane, *runnable), mask, mask)


def joined(*lanes: str) -> list[tuple[str, ...]]:
    """What workers of these kinds get that join one after the other."""
    fleet, told = fleet_of(), []
    for lane in lanes:
        held = newcomer(fleet, sort(lane))
        fleet.add(Member(sort(lane), held, held))
        told.append(CATALOG.names(held))
    return told


def test_the_first_edge_worker_gets_coordinator_and_proxy_the_next_one_the_balancer() -> None:
    assert joined("edge", "edge", "edge") == [
        ("coordinator", "edge-proxy"),
        ("coordinator", "load-balancer"),
        ("edge-proxy", "load-balancer"),
    ]


def test_a_gpu_loads_one_model_and_the_next_gpu_the_next() -> None:
    assert joined("gpu", "gpu", "gpu", "gpu") == [
        ("llm-inference",),
        ("vision-ocr",),
        ("rag-embeddings",),
        ("llm-inference",),
    ]


def test_a_lone_cpu_worker_takes_three_services_in_a_larger_fleet_two() -> None:
    first, second = joined("cpu", "cpu")
    assert first == ("ner-extraction", "document-processing", "notes-coa")
    assert len(second) == 2


def test_a_storage_worker_runs_all_databases() -> None:
    assert joined("storage") == [("chromadb", "redis", "postgres", "minio", "neo4j")]


def test_only_what_the_worker_can_run() -> None:
    edge = sort("edge", "edge-proxy", "load-balancer", "unheard-of")
    assert CATALOG.names(newcomer(fleet_of(), edge)) == ("edge-proxy", "load-balancer")
    assert newcomer(fleet_of(), Kind("cpu", 0)) == 0


def test_a_gpu_box_does_cpu_work_only_if_it_can_do_no_gpu_work() -> None:
    assert sort("gpu", "notes-coa") == Kind("cpu", CATALOG.mask(["notes-coa"]))
    assert sort("gpu", "notes-coa", "vision-ocr") == Kind("gpu", CATALOG.mask(["vision-ocr"]))


def test_a_small_gpu_gets_the_models_that_fit_and_one_that_fits_none_cpu_work() -> None:
    six = sort("gpu", machine=Resources(UNSAID, 6144, UNSAID))
    assert CATALOG.names(newcomer(fleet_of(), six)) == ("vision-ocr",)
    assert sort("gpu", machine=Resources(UNSAID, 1024, UNSAID)).lane == "cpu"


def test_a_worker_that_comes_back_keeps_its_services_though_they_are_well_covered() -> None:
    fleet = fleet_of(holds("gpu", "llm-inference"), holds("gpu", "llm-inference"))
    llm = CATALOG.mask(["llm-inference"])
    assert returning(fleet, sort("gpu"), llm) == llm


def test_a_worker_that_comes_back_as_another_type_starts_anew() -> None:
    assert CATALOG.names(returning(fleet_of(), sort("cpu"), CATALOG.mask(["llm-inference"])))[0] == "ner-extraction"


def test_nobody_gives_up_what_nobody_else_serves_nor_for_what_is_merely_short() -> None:
    a, b = holds("gpu", "llm-inference"), holds("gpu", "vision-ocr")
    assert repair(fleet_of(a)) == []
    assert repair(fleet_of(a, a, a, b), displace=0)[0].starts == CATALOG.mask(["rag-embeddings"])
    c = holds("gpu", "rag-embeddings")
    assert repair(fleet_of(a, a, a, b, c), displace=0) == []
    assert [CATALOG.names(s.starts) for s in repair(fleet_of(a, a, a, b, c))] == [("vision-ocr",)]


def test_a_worker_with_room_takes_a_gap_and_gives_nothing_up() -> None:
    alone = holds("edge", "coordinator")
    (step,) = repair(fleet_of(alone))
    assert (CATALOG.names(step.held), step.stops) == (("coordinator", "edge-proxy"), 0)


def test_a_service_that_fails_is_a_gap_for_others_and_no_second_chance_for_the_same_worker() -> None:
    llm = CATALOG.mask(["llm-inference"])
    failing = Member(sort("gpu", "llm-inference"), llm, 0)
    assert repair(fleet_of(failing)) == []
    able = Member(sort("gpu", "llm-inference"))
    assert [step.member for step in repair(fleet_of(failing, able))] == [able]


def test_a_maximum_is_never_passed() -> None:
    catalog = Catalog([Wanted(SERVICES["llm-inference"], minimum=1, desired=1, maximum=1)])
    fleet, kind = Fleet(catalog), kind_of(catalog, "gpu", ANY)
    fleet.add(Member(kind, 1, 1))
    assert newcomer(fleet, kind) == 0
    fleet.remove(Member(kind, 1, 1))
    fleet.add(Member(kind, 1, 0))  # told, and failing: another one would be too many
    assert newcomer(fleet, kind) == 0


def test_a_desired_number_draws_newcomers() -> None:
    rows = [Wanted(SERVICES["llm-inference"], desired=6), Wanted(SERVICES["vision-ocr"], desired=2)]
    catalog = Catalog(rows)
    fleet, kind = Fleet(catalog), kind_of(catalog, "gpu", ANY)
    for _ in range(8):
        held = newcomer(fleet, kind)
        fleet.add(Member(kind, held, held))
    assert fleet.serving == [6, 2]


def test_memory_is_shared_by_what_runs_together() -> None:
    need = Resources(memory=4096)
    catalog = Catalog(Wanted(SERVICES[name], need=need) for name in ("chromadb", "redis", "postgres"))
    kind = kind_of(catalog, "storage", Resources(9000, UNSAID, UNSAID))
    assert newcomer(Fleet(catalog), kind).bit_count() == 2


@st.composite
def fleets(draw: st.DrawFn) -> tuple[Fleet, list[Member]]:
    """Workers that hold some of what they can run, in catalogues of different minima."""
    lanes = draw(st.sampled_from([LANES, ("cpu",), ("gpu", "edge"), ("cpu", "edge", "gpu")]))
    catalog = Catalog(Wanted(spec, minimum=draw(st.integers(1, 3))) for spec in SERVICES.values())
    fleet, members = Fleet(catalog), []
    for _ in range(draw(st.integers(1, 14))):
        lane = draw(st.sampled_from(lanes))
        able = catalog.lanes[lane] & draw(st.integers(0, 2**14 - 1))  # type: ignore[index]
        kind = Kind(lane, able)  # type: ignore[arg-type]
        most = {"gpu": 1, "cpu": 2, "edge": 2, "storage": 14}[lane]
        bits = draw(st.permutations([i for i in range(14) if able >> i & 1]))[: draw(st.integers(0, most))]
        held = sum(1 << i for i in bits)
        members.append(fleet.add(Member(kind, held, held, draw(st.booleans()) or draw(st.booleans()))))
    return fleet, members


def repaired(fleet: Fleet, members: list[Member], displace: int = -1) -> tuple[Fleet, list[Member], int]:
    left, starts = list(members), 0
    for step in repair(fleet, displace):
        left.remove(step.member)
        left.append(step.member._replace(held=step.held, serving=step.held))
        starts += step.starts.bit_count()
    after = Fleet(fleet.catalog)
    for member in left:
        after.add(member)
    return after, left, starts


@given(fleets())
@settings(max_examples=300, deadline=None)
def test_repair_covers_what_can_be_covered_with_the_fewest_starts(made: tuple[Fleet, list[Member]]) -> None:
    fleet, members = made
    optimum = best(fleet, members)
    after, _, starts = repaired(fleet, members)
    rows = fleet.catalog.rows
    assert sum(count > 0 for count in after.serving) == optimum.covered
    assert sum(min(n, row.minimum) for n, row in zip(after.serving, rows, strict=True)) >= 0.99 * optimum.units
    assert starts <= optimum.starts + 1


@given(fleets())
@settings(max_examples=200, deadline=None)
def test_repair_keeps_to_what_workers_can_and_settles_at_once(made: tuple[Fleet, list[Member]]) -> None:
    fleet, members = made
    after, left, _ = repaired(fleet, members)
    for step in repair(fleet):
        assert step.member.open
        assert step.starts & ~step.member.kind.able == 0
        assert step.held.bit_count() <= max(fleet.slots(step.member.kind), step.member.held.bit_count())
    assert repaired(after, left)[2] == 0  # no flapping: what was repaired stays


@given(fleets(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_workers_plays_no_part(made: tuple[Fleet, list[Member]], order: random.Random) -> None:
    fleet, members = made
    shuffled = Fleet(fleet.catalog)
    for member in order.sample(members, len(members)):
        shuffled.add(member)
    assert repair(shuffled) == repair(fleet)
    for lane in LANES:
        assert newcomer(shuffled, sort(lane)) == newcomer(fleet, sort(lane))


@given(fleets(), st.data())
@settings(max_examples=100, deadline=None)
def test_one_that_comes_and_goes_disturbs_others_at_first_only(
    made: tuple[Fleet, list[Member]], data: st.DataObject
) -> None:
    """Faster than the patience with what is merely short."""
    fleet, members, _ = repaired(*made)
    flapper = data.draw(st.sampled_from(members))
    stopped = []
    for _ in range(5):
        members.remove(flapper)
        fleet.remove(flapper)
        stopped.append(sum(step.stops.bit_count() for step in repair(fleet, displace=0)))
        fleet, members, _ = repaired(fleet, members, displace=0)
        held = returning(fleet, flapper.kind, flapper.held)
        flapper = fleet.add(flapper._replace(held=held, serving=held))
        members.append(flapper)
    assert stopped[-1] == 0


@pytest.mark.parametrize("count", [1, 2, 3, 4, 8])
def test_every_edge_service_is_covered_as_soon_as_two_edges_are_there(count: int) -> None:
    covered = {name for told in joined(*["edge"] * count) for name in told}
    assert (len(covered) == 3) == (count >= 2)


def test_a_fleet_counts_what_is_added_and_removed() -> None:
    a, b = holds("cpu", "notes-coa"), holds("cpu", "notes-coa")
    fleet = Fleet(CATALOG)
    assert fleet.add(a) is fleet.add(b)  # the same sort is the same object
    fleet.remove(a)
    fleet.replace(b, b._replace(serving=0))
    index = list(CATALOG).index("notes-coa")
    assert (fleet.size, fleet.serving[index], fleet.told[index]) == (1, 0, 1)
    fleet.remove(b._replace(serving=0))
    assert (fleet.size, fleet.groups, any(fleet.serving)) == (0, {}, False)
