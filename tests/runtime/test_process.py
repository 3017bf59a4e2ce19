"""Services with real processes: kept running, heard, and ended with all that they started."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from edgeproxy.runtime.backoff import Backoff
from edgeproxy.runtime.process import MAX_LINE, ManagedProcess
from tests.runtime.fleet import PATIENCE, alive, until

START = "import os, signal, subprocess, sys, time\nprint(os.getpid(), flush=True)\n"
SLEEP = "time.sleep(600)\n"
WITH_CHILD = (
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\nprint(child.pid, flush=True)\n"
)
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\n"

Make = Callable[..., ManagedProcess]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made: list[ManagedProcess] = []

    def make_one(code: str, **options: Any) -> ManagedProcess:
        argv = [sys.executable, "-c", START + code]
        options.setdefault("backoff", Backoff(0.05, 0.05))
        made.append(ManagedProcess("test", argv, dict(os.environ), **options))
        return made[-1]

    yield make_one
    for process in made:
        await process.stop(grace_s=0.0)


async def lines(process: ManagedProcess, count: int) -> list[str]:
    async with asyncio.timeout(PATIENCE):
        while len(process.tail) < count:
            await asyncio.sleep(0.01)
    return list(process.tail)


async def test_runs_until_it_is_stopped(make: Make) -> None:
    states: list[str] = []
    process = make(SLEEP, on_change=lambda: states.append(process.state))
    await process.start()
    pid = int((await lines(process, 1))[0])
    assert process.pid == pid
    assert process.state == "running"
    await process.stop()
    assert not alive(pid)
    assert states == ["starting", "running", "stopped"]
    assert process.pid is None


async def test_is_started_again_after_a_death(make: Make) -> None:
    process = make(SLEEP)
    await process.start()
    first = int((await lines(process, 1))[0])
    os.kill(first, signal.SIGKILL)
    second = int((await lines(process, 2))[1])
    assert second != first
    assert process.starts == 2
    assert process.state == "running"


async def test_a_command_that_does_not_exist_is_tried_again(tmp_path: Path) -> None:
    command = tmp_path / "late"
    process = ManagedProcess("late", [str(command)], {}, backoff=Backoff(0.05, 0.05))
    await process.start()
    assert process.starts == 0
    command.write_text("#!/bin/sh\necho here\nsleep 600\n")
    command.chmod(0o700)
    assert await lines(process, 1) == ["here"]
    await process.stop(grace_s=5)


async def test_what_it_started_ends_with_it(make: Make) -> None:
    process = make(WITH_CHILD + SLEEP)
    await process.start()
    pids = [int(line) for line in await lines(process, 2)]
    await process.stop()
    until(lambda: not any(alive(pid) for pid in pids))


async def test_what_it_left_behind_at_its_death_is_killed_before_it_starts_again(make: Make) -> None:
    process = make(WITH_CHILD + SLEEP)
    await process.start()
    leader, child = (int(line) for line in await lines(process, 2))
    os.kill(leader, signal.SIGKILL)
    await lines(process, 3)
    until(lambda: not alive(child))


async def test_who_does_not_hear_is_killed(make: Make) -> None:
    process = make(STUBBORN + SLEEP)
    await process.start()
    pid = int((await lines(process, 2))[0])
    await process.stop(grace_s=0.2)
    assert not alive(pid)


async def test_stop_while_it_waits_for_the_next_try(make: Make) -> None:
    process = make("", backoff=Backoff(600, 600))
    await process.start()
    async with asyncio.timeout(PATIENCE):
        while process.state != "backoff":
            await asyncio.sleep(0.01)
        await process.stop()
    assert (process.state, process.starts) == ("stopped", 1)


async def test_it_can_be_started_anew(make: Make) -> None:
    process = make(SLEEP)
    for round_ in (1, 2):
        await process.start()
        await lines(process, round_)
        await process.stop()
    assert process.starts == 2


async def test_output_is_drained_whatever_its_amount_and_lines_are_cut(make: Make) -> None:
    code = "for i in range(50): print('x' * 100_000)\nsys.stderr.write('end')\nsys.stderr.flush()\n" + SLEEP
    heard: list[str] = []
    process = make("sys.stdout.flush()\n" + code.replace("print(", "print(flush=True, *[").replace("000)", "000])"))
    process._on_line = heard.append
    await process.start()
    async with asyncio.timeout(PATIENCE):
        while len(heard) < 51:
            await asyncio.sleep(0.01)
    assert {len(line) for line in heard[1:]} == {MAX_LINE}


def test_it_dies_with_us() -> None:
    ours = (
        "import asyncio, os, sys\n"
        "from edgeproxy.runtime.process import ManagedProcess\n"
        "async def main():\n"
        "    argv = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        "    process = ManagedProcess('x', argv, dict(os.environ))\n"
        "    await process.start()\n"
        "    print(process.pid, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", ours], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid = next(int(line) for line in parent.stdout if line.strip().isdigit())
        assert alive(pid)
        parent.kill()
    until(lambda: not alive(pid))
