"""The seed's rules, by example and by property."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.catalog import CATALOG
from coordinator.placement import Member, assign, coverage, mend, possible

TYPES = ("gpu", "cpu", "storage", "edge")


def member(name: str, kind: str, *assigned: str, runnable: set[str] | None = None) -> Member:
    able = None if runnable is None else frozenset(runnable)
    return Member(name, kind, assigned, frozenset(assigned), able)  # type: ignore[arg-type]


def joined(kinds: list[str]) -> list[Member]:
    """A fleet of these kinds, which joined one after the other."""
    fleet: list[Member] = []
    for index, kind in enumerate(kinds):
        fleet.append(member(f"w{index}", kind, *assign(member(f"w{index}", kind), fleet)))
    return fleet


def test_the_first_edge_worker_gets_coordinator_and_proxy_the_next_one_the_balancer() -> None:
    first, second, third = joined(["edge", "edge", "edge"])
    assert first.assigned == ("coordinator", "edge-proxy")
    assert second.assigned == ("coordinator", "load-balancer")
    assert set(third.assigned) == {"edge-proxy", "load-balancer"}


def test_a_gpu_loads_one_model_and_the_next_gpu_the_next() -> None:
    fleet = joined(["gpu", "gpu", "gpu", "gpu"])
    assert [m.assigned for m in fleet] == [
        ("llm-inference",),
        ("vision-ocr",),
        ("rag-embeddings",),
        ("llm-inference",),
    ]


def test_a_lone_cpu_worker_takes_three_services_in_a_larger_fleet_two() -> None:
    fleet = joined(["cpu", "cpu"])
    assert fleet[0].assigned == ("ner-extraction", "document-processing", "notes-coa")
    assert len(fleet[1].assigned) == 2


def test_a_storage_worker_runs_all_databases() -> None:
    (only,) = joined(["storage"])
    assert only.assigned == ("chromadb", "redis", "postgres", "minio", "neo4j")


def test_only_what_the_worker_can_run() -> None:
    assert assign(member("w", "edge", runnable={"edge-proxy", "load-balancer", "unheard-of"}), []) == (
        "edge-proxy",
        "load-balancer",
    )
    assert assign(member("w", "cpu", runnable=set()), []) == ()


def test_a_gpu_box_does_cpu_work_only_if_it_can_do_no_gpu_work() -> None:
    assert assign(member("w", "gpu", runnable={"notes-coa"}), []) == ("notes-coa",)
    assert assign(member("w", "gpu", runnable={"notes-coa", "vision-ocr"}), []) == ("vision-ocr",)


def test_the_old_record_of_a_worker_is_no_coverage() -> None:
    old = member("w", "gpu", "llm-inference")
    assert assign(member("w", "gpu"), [old]) == ("llm-inference",)


def test_a_worker_that_comes_back_keeps_its_services_though_they_are_well_covered() -> None:
    fleet = [member("a", "gpu", "llm-inference"), member("b", "gpu", "llm-inference")]
    assert assign(member("w", "gpu", "llm-inference"), fleet) == ("llm-inference",)


def test_a_worker_that_comes_back_as_another_type_starts_anew() -> None:
    assert assign(member("w", "cpu", "llm-inference"), [])[0] == "ner-extraction"


def test_a_live_worker_with_room_takes_over_from_a_dead_one() -> None:
    left = member("a", "edge", "coordinator")
    assert mend(left, [left]) == ("coordinator", "edge-proxy")


def test_a_worker_without_room_gives_up_only_what_others_serve_too() -> None:
    a, b = member("a", "gpu", "llm-inference"), member("b", "gpu", "llm-inference")
    assert mend(a, [a, b]) == ("vision-ocr",)
    assert mend(a, [a]) == ("llm-inference",)


def test_nothing_moves_where_no_gap_is_critical() -> None:
    a = member("a", "gpu", "llm-inference", runnable={"llm-inference", "vision-ocr"})
    assert mend(a, [a, member("b", "gpu", "vision-ocr")]) == a.assigned


def test_a_service_that_fails_is_a_gap_for_others_but_no_second_chance_for_the_same_worker() -> None:
    failing = Member("a", "gpu", ("llm-inference",), frozenset(), frozenset({"llm-inference"}))
    able = Member("b", "gpu", (), frozenset(), frozenset({"llm-inference"}))
    assert mend(failing, [failing, able]) == ("llm-inference",)
    assert mend(able, [failing, able]) == ("llm-inference",)


fleets = st.lists(st.sampled_from(TYPES), max_size=12)


@given(fleets, st.sampled_from(TYPES), st.randoms(use_true_random=False))
def test_the_order_of_the_fleet_does_not_matter(kinds: list[str], kind: str, order: random.Random) -> None:
    fleet = joined(kinds)
    shuffled = order.sample(fleet, len(fleet))
    newcomer = member("new", kind)
    assert assign(newcomer, fleet) == assign(newcomer, shuffled)
    for old in fleet:
        assert mend(old, fleet) == mend(old, shuffled)


@given(fleets)
def test_registering_again_changes_nothing(kinds: list[str]) -> None:
    fleet = joined(kinds)
    for worker in fleet:
        covered_without = coverage(m for m in fleet if m is not worker)
        again = assign(worker, fleet)
        assert set(worker.assigned) <= set(again)
        assert all(covered_without[name] == 0 for name in set(again) - set(worker.assigned))


@given(fleets, st.data())
def test_heartbeats_after_deaths_settle_and_never_lose_a_service(kinds: list[str], data: st.DataObject) -> None:
    fleet = [m for m in joined(kinds) if data.draw(st.booleans(), label=f"{m.worker_id} lives")]
    covered_before = set(coverage(fleet))
    for _ in range(len(CATALOG) + 1):
        for index, worker in enumerate(fleet):
            told = mend(worker, fleet)
            fleet[index] = Member(worker.worker_id, worker.worker_type, told, frozenset(told), worker.runnable)
    assert covered_before <= set(coverage(fleet))
    assert all(mend(worker, fleet) == worker.assigned for worker in fleet)


@given(fleets, st.sampled_from(TYPES), st.sets(st.sampled_from(sorted(CATALOG))))
def test_a_worker_is_given_only_what_it_can_run_within_its_room(
    kinds: list[str], kind: str, runnable: set[str]
) -> None:
    worker = member("new", kind, runnable=runnable)
    told = assign(worker, joined(kinds))
    assert set(told) <= runnable
    assert set(told) <= possible(worker)
    assert len(told) <= {"gpu": 3, "cpu": 3, "storage": 5, "edge": 2}[kind]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 8])
def test_every_edge_service_is_covered_as_soon_as_two_edges_are_there(count: int) -> None:
    covered = coverage(joined(["edge"] * count))
    assert (len(covered) == 3) == (count >= 2)
