"""Faults under load: the workers misbehave as told, the clients see it, the report says what was broken, and a real
edge bears some of them."""

import asyncio
import os
import random
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bench.soak.__main__ import _outcome
from bench.soak.faults import CERTIFICATE, FAULTS, MIXED, OF_WORKERS, SPECIAL, Fault, NotHealed, both, nothing
from bench.soak.report import DESCRIPTOR_SLACK, MEMORY_SLACK, Phase, Sample, page
from bench.soak.run import Run, _until
from bench.soak.users import CUT, LOST, REFUSED, WHOLE, WRONG, Client, Counts, Users, _judged
from bench.soak.worker import State, Worker, content
from bench.soak.world import Size, World
from bench.soak.worlds import Sealed, preloaded_clock

AT_ONCE = replace(both(OF_WORKERS[0], CERTIFICATE), made=Sealed)
BASE = Size(100 * 2**20, 50, 3)


@asynccontextmanager
async def working(directory: Path) -> AsyncIterator[tuple[World, State]]:
    """A world that is one worker alone, asked without an edge."""
    state = State(str(directory / "executed-0"))
    server = await asyncio.get_running_loop().create_server(lambda: Worker(state), "127.0.0.1", 0)
    async with server:
        yield World(directory, port=server.sockets[0].getsockname()[1]), state


async def asked(world: World, method: str = "GET", path: str = "/echo/7/100", body: bytes = b"") -> str:
    client = Client(world)
    try:
        return _judged(await client.ask(method, path, body), content(7, 100), 7)[0]
    finally:
        client.close()
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("mode", "seen"),
    [("none", WHOLE), ("reset", LOST), ("stall", LOST), ("swallow", LOST), ("garbage", LOST), ("half", CUT)],
)
async def test_a_worker_misbehaves_as_it_is_told(
    mode: str, seen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.soak.users.PATIENCE_S", 0.2)
    async with working(tmp_path) as (world, state):
        assert await asked(world, path=f"/fault/{mode}") == WRONG  # "ok" is no echo
        assert state.mode == mode
        assert await asked(world) == seen


@pytest.mark.parametrize("size", [0, 1, 100, 70_000])
@pytest.mark.parametrize("identity", [6, 7])
async def test_answers_of_every_size_and_framing_are_known(size: int, identity: int, tmp_path: Path) -> None:
    async with working(tmp_path) as (world, _):
        client = Client(world)
        for _ in range(2):
            answer = await client.ask("PUT", f"/echo/{identity}/{size}", b"body")
            assert _judged(answer, content(identity, size), identity)[0] == WHOLE
            assert _judged(answer, content(8, size), identity)[0] == (WRONG if size else WHOLE)
        client.close()
        await asyncio.sleep(0)


async def test_what_was_executed_is_written_before_it_is_answered(tmp_path: Path) -> None:
    async with working(tmp_path) as (world, state):
        state.mode = "reset"
        assert await asked(world, "POST", "/once/7/100", b"x") == LOST
    assert (tmp_path / "executed-0").read_text() == "7\n"


async def test_a_worker_that_stalled_answers_when_it_is_over(tmp_path: Path) -> None:
    async with working(tmp_path) as (world, state):
        state.mode = "stall"
        waiting = asyncio.ensure_future(asked(world))
        while not state.held:
            await asyncio.sleep(0.01)
        state.mode = "none"
        assert await waiting == WHOLE


async def test_users_ask_everything_and_streams_come_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.soak.worker.EVENT_S", 0.001)
    async with working(tmp_path) as (world, _):
        users = Users(world, seed=1)
        async with asyncio.TaskGroup() as group:
            group.create_task(users.run(4, 1))
            await asyncio.sleep(0.6)
            users.stop()
        await asyncio.sleep(0)
    results = users.counts.results
    assert {kind for kind, _ in results} == {"GET", "PUT", "POST", "stream"}
    assert {result for _, result in results} == {WHOLE}
    assert len(users.counts.posted) == results["POST", WHOLE]


def phase(results: dict[tuple[str, str], int], rest: Size = BASE, twice: int = 0, **fault: bool) -> Phase:
    return Phase(Fault("f", nothing, **fault), Counts(Counter(results)), twice, rest, BASE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (phase({("GET", WHOLE): 9}), ""),
        (phase({("GET", REFUSED): 1}), "1 idempotent"),
        (phase({("GET", REFUSED): 1}, streams=True), "1 idempotent"),
        (phase({("PUT", LOST): 2}), "2 idempotent"),
        (phase({("PUT", LOST): 2}, excuses=True), ""),
        (phase({("GET", CUT): 1}), "1 idempotent"),
        (phase({("GET", CUT): 1}, streams=True), ""),
        (phase({("POST", REFUSED): 3}), ""),
        (phase({("POST", WHOLE): 3}, twice=1), "1 POSTs executed twice"),
        (phase({("GET", WRONG): 1}, excuses=True, streams=True), "1 answers passed as whole"),
        (phase({("stream", CUT): 1}), "1 streams broken"),
        (phase({("stream", CUT): 1}, streams=True), ""),
        (phase({}, Size(BASE.memory + MEMORY_SLACK + 1, 50, 3)), "24 MiB more"),
        (phase({}, Size(BASE.memory, 51 + DESCRIPTOR_SLACK, 3)), "65 descriptors more"),
        (phase({}, Size(BASE.memory, 50, 4)), "4 processes instead of 3"),
    ],
)
def test_what_breaks_an_invariant(seen: Phase, words: str) -> None:
    broken = "; ".join(seen.broken())
    assert broken.startswith(words)
    assert bool(broken) == bool(words)
    assert str(seen).startswith("BROKEN" if words else "held")


def test_the_page_has_every_phase_and_the_curves() -> None:
    shown = page("<soak>", [phase({("stream", CUT): 1})], [Sample(at, BASE) for at in (0.0, 60.0)])
    assert "&lt;soak&gt;" in shown
    assert "1 streams broken" in shown
    assert shown.count("<svg") == 2


def test_the_mixture_comes_from_the_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> list[str]:
        clock = iter(range(100))
        monkeypatch.setattr("bench.soak.run.monotonic", lambda: next(clock))
        return [fault.name for fault in _until(15, random.Random(3), MIXED)]

    assert names() == names()
    assert len(names()) == 30
    assert [", " in name for name in names()] == [False, True] * 15


async def test_of_two_faults_at_once_both_are_made_and_either_is_heard_of() -> None:
    made: list[str] = []

    def fault(name: str, **more: bool) -> Fault:
        async def act(world: World, chance: random.Random) -> None:
            await asyncio.sleep(0)
            made.append(name)
            if name == "c":
                raise NotHealed("c has not healed")

        return Fault(name, act, **more)  # type: ignore[arg-type]

    world, chance = World(Path("/nonexistent")), random.Random(1)
    pair = both(fault("a", streams=True), fault("b", excuses=True))
    await pair.act(world, chance)
    assert (sorted(made), pair.name, pair.streams, pair.excuses) == (["a", "b"], "a, b", True, True)
    with pytest.raises(NotHealed, match="c has not healed"):
        await both(fault("c"), fault("d")).act(world, chance)
    assert sorted(made) == ["a", "b", "c", "d"]


def test_names_are_unique() -> None:
    names = [fault.name for fault in (*FAULTS, *SPECIAL)]
    assert len(set(names)) == len(names)


def test_a_clock_is_made_to_jump_while_the_program_runs(tmp_path: Path) -> None:
    """The wall clock alone: not the monotonic one."""
    offset = tmp_path / "offset"
    offset.write_bytes(struct.pack("q", 0))
    own = {"LD_PRELOAD": str(preloaded_clock(tmp_path)), "CLOCK_OFFSET_FILE": str(offset)}
    says = "import sys, time\nfor _ in sys.stdin: print(time.time(), time.monotonic(), flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", says], env=os.environ | own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin
        assert program.stdout
        told = []
        for seconds in (0, 86_400):
            offset.write_bytes(struct.pack("q", seconds))
            print(file=program.stdin, flush=True)
            told.append([float(word) for word in program.stdout.readline().split()])
        program.stdin.close()
    (wall, steady), (wall_after, steady_after) = told
    assert 86_390 < wall_after - wall < 86_500
    assert 0 <= steady_after - steady < 100


async def test_what_does_not_come_back_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(world: World, chance: random.Random) -> None:
        raise NotHealed("the store is used by nobody")

    monkeypatch.setattr("bench.soak.run.BEFORE_S", 0.1)
    monkeypatch.setattr("bench.soak.run.STREAMS", 0)
    monkeypatch.setattr("bench.soak.run._world", standing)
    monkeypatch.setattr("bench.soak.run._at_rest", resting)
    run = Run(seed=1, tell=lambda doing: None)
    await run.each([Fault("f", act)])
    assert [list(phase.broken())[-1:] == ["the store is used by nobody"] for phase in run.phases] == [False, True]


@contextmanager
def standing(kind: object) -> Iterator[World]:
    """Nobody serves: users are refused."""
    yield World(Path("/nonexistent"))


async def resting(world: World, base: Size | None) -> Size:
    return BASE


def test_what_cannot_be_made_here_is_left_out_and_a_short_run_does_not_meet_the_goal() -> None:
    run = Run(seed=1, tell=lambda doing: None)
    asyncio.run(run.each([Fault("f", nothing, unable=lambda: "no Redis")]))
    assert run.phases == []
    run.phases.append(phase({("GET", WHOLE): 9}))
    assert [_outcome("chaos", run, minutes, 10).met for minutes in (2, 10)] == [None, True]
    run.phases.append(phase({("GET", REFUSED): 9}))
    assert [_outcome("chaos", run, minutes, 10).met for minutes in (2, 10)] == [False, False]


@pytest.mark.parametrize("name", ["worker killed", "Redis away", AT_ONCE.name])
async def test_a_real_edge_bears_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, constant, value in (("faults", "FAULT_S", 0.5), ("run", "BEFORE_S", 0.3), ("run", "REST_S", 0.3)):
        monkeypatch.setattr(f"bench.soak.{module}.{constant}", value)
    monkeypatch.setattr("bench.soak.users.STREAM_EVENTS", 3)
    told: list[str] = []
    run = Run(seed=1, tell=told.append)
    await run.each([fault for fault in (*FAULTS, *SPECIAL, AT_ONCE) if fault.name == name])
    assert told == ["nothing", name]
    for seen in run.phases:
        assert not list(seen.broken()), (str(seen), seen.counts.notes)
        assert seen.counts.results["GET", WHOLE] > 10
