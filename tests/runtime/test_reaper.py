"""In a process of its own that adopts orphans as process 1 does (PR_SET_CHILD_SUBREAPER)."""

import subprocess
import sys

PROGRAM = """
import asyncio, ctypes, os, subprocess, sys, time
from edgeproxy.runtime.reaper import reap_orphans, _zombies
from edgeproxy.runtime.spawn import exit_of, spawn

ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
# a shell that leaves a child behind, which ends when it is ours
subprocess.run(["sh", "-c", "sleep 0.2 & exit 0"], check=True)

async def main():
    reaper = asyncio.ensure_future(reap_orphans(0.1))
    seen = False
    while not seen or _zombies():
        seen = seen or bool(_zombies())
        await asyncio.sleep(0.005)
    own = spawn([sys.executable, "-c", "import sys, time; time.sleep(0.3); sys.exit(7)"], os.environ)
    print(await exit_of(own))
    reaper.cancel()

asyncio.run(main())
"""


def test_orphans_are_reaped_and_our_own_keep_their_exit_code() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "7\n"
