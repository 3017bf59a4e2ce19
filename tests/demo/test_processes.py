"""In a process of its own, as `stop` ends everything below the process that calls it."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import psutil

PROGRAM = """
import asyncio, json, subprocess, sys
from pathlib import Path
from coordinator.demo import processes
from coordinator.demo.fleet import Member

processes.GRACE = processes.COORDINATOR_GRACE = 0.3
STUBBORN = '''
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("pids", os.getpid(), child.pid, flush=True)
time.sleep(600)
'''
PROMPT = "import time; print('ready', flush=True); time.sleep(600)"

def member(name, code):
    return Member(name, (sys.executable, "-c", code), {})

async def main():
    fleet = processes.Processes(Path(sys.argv[1]), None)
    try:
        await fleet.start(member("prompt", PROMPT))
        await fleet.start(member("stubborn", STUBBORN))
        for name in ("prompt", "stubborn"):
            async with asyncio.timeout(20):
                while not (Path(sys.argv[1]) / f"{name}.log").read_text():
                    await asyncio.sleep(0.02)
        if sys.argv[2] == "orphan":
            fleet._running[1]._keeper.cancel()
            import os, signal
            os.kill(fleet._running[1].pid, signal.SIGKILL)
            await asyncio.sleep(0.2)
    finally:
        await fleet.stop()

asyncio.run(main())
"""

FAILING = """
import asyncio, sys
from pathlib import Path
from coordinator.demo import processes
from coordinator.demo.fleet import Member

async def main():
    fleet = processes.Processes(Path(sys.argv[1]), None)
    broken = (sys.executable, "-c", "print('wrong key'); raise SystemExit(78)")
    await fleet.start(Member("broken", broken, {}))
    try:
        async with asyncio.timeout(20):
            while True:
                fleet.refuse_failed()
                await asyncio.sleep(0.02)
    except processes.FleetError as error:
        print(error)
    finally:
        await fleet.stop()

asyncio.run(main())
"""


async def run(code: str, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(40):
        out, error = await process.communicate()
    assert (process.returncode, error) == (0, b"")
    return out.decode()


def pids(logs: Path) -> list[int]:
    return [int(word) for word in (logs / "stubborn.log").read_text().split()[1:3]]


def running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def test_a_program_that_hangs_and_its_children_are_gone_after_stop(tmp_path: Path) -> None:
    await run(PROGRAM, str(tmp_path), "hang")
    assert (tmp_path / "prompt.log").read_text() == "ready\n"
    assert len(pids(tmp_path)) == 2
    assert [pid for pid in pids(tmp_path) if running(pid)] == []
    assert "started" in (tmp_path / "launcher.log").read_text()


async def test_the_orphans_of_a_killed_program_are_found(tmp_path: Path) -> None:
    await run(PROGRAM, str(tmp_path), "orphan")
    assert [pid for pid in pids(tmp_path) if running(pid)] == []


async def test_a_program_that_keeps_ending_is_named_with_its_last_line(tmp_path: Path) -> None:
    message = await run(FAILING, str(tmp_path))
    assert message.startswith("broken does not start: wrong key")
    assert json.dumps(str(tmp_path / "broken.log"))[1:-1] in message
