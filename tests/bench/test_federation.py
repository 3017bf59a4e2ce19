"""What runs of the federation say of its goals, and the store that counts what is written."""

import aiohttp
import pytest

from bench.federation.__main__ import of_load, of_processes
from bench.federation.account import account
from bench.federation.lives import Lives
from bench.federation.nemesis import Verdict


def verdicts(lives: Lives) -> dict[str, bool | None]:
    return {one.goal: one.met for one in lives.outcomes()}


def test_lives_that_kept_their_promises_meet_the_goals() -> None:
    lives = Lives([Verdict(1, converged_after=2.0, requests=10), Verdict(2, loss=0.02, converged_after=7.0)], 1.0)
    assert verdicts(lives) == {"lost": True, "user-errors": True, "converge": True}


@pytest.mark.parametrize(
    ("verdict", "missed"),
    [
        (Verdict(1, broken=["I1: nobody knows w1"]), "lost"),
        (Verdict(1, requests=10, user_errors=1), "user-errors"),
        (Verdict(1, converged_after=5.25), "converge"),
    ],
)
def test_one_life_is_enough_to_miss_one(verdict: Verdict, missed: str) -> None:
    assert [name for name, met in verdicts(Lives([verdict, Verdict(2)], 1.0)).items() if not met] == [missed]


def test_load_and_processes_are_held_against_their_goals() -> None:
    load = {
        "claim_p50_s": 2.8,
        "claim_p99_s": 10.5,
        "propagation_p50_s": 0.3,
        "propagation_p95_s": 0.5,
        "claims_peak_over_accept_rate": 1.02,
        "million_mib": 380,
        "primary_core_percent": 0.12,
    }
    assert [one.goal for one in of_load(load) if not one.met] == ["orphans"]
    found = {"primary_core_percent": 1.0, "kv_writes": 0}
    assert [one.met for one in of_processes(found, 84.0)] == [False, True]
    assert [one.met for one in of_processes(found | {"kv_writes": 1}, 110.0)] == [True, False]


async def test_the_account_counts_what_is_written_and_gives_it_back() -> None:
    async with account() as store, aiohttp.ClientSession(store.url) as session:
        async with session.get("/values/a") as missing:
            assert missing.status == 404
        async with session.put("/values/a", data=b"list") as put:
            assert (await put.json())["success"]
        async with session.get("/values/a") as found:
            assert await found.read() == b"list"
        assert (store.writes, store.reads) == (1, 2)
