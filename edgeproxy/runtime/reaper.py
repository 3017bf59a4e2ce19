"""The duty of process 1 in a container: to reap what others left behind."""

import asyncio
import os

import psutil

INTERVAL = 5.0  # seconds


def is_init() -> bool:
    return os.getpid() == 1


async def reap_orphans(interval: float = INTERVAL) -> None:
    """For ever. A child that is still a zombie at the second look is nobody's: our own are waited for at once."""
    seen: set[int] = set()
    while True:
        zombies = _zombies()
        _reap(zombies & seen)
        seen = zombies - seen
        await asyncio.sleep(interval)


def _reap(pids: set[int]) -> None:
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass  # somebody was faster


def _zombies() -> set[int]:
    found = set()
    for child in psutil.Process().children():
        try:
            if child.status() == psutil.STATUS_ZOMBIE:
                found.add(child.pid)
        except psutil.NoSuchProcess:
            pass
    return found
