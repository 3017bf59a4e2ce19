"""CPU time and memory of a process tree, which core is whose, how many files may be open.

CPU is read in nanoseconds from /proc/PID/task/*/schedstat, which has no 10 ms ticks; where there is none,
from psutil (user + system, in ticks). A thread that has ended is in neither reading: peers must keep theirs.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import psutil

Reading = dict[int, float]
"""CPU seconds since its start of each process of a tree, by pid."""

_Read = TypeVar("_Read")
_SCHEDSTAT = Path("/proc/self/schedstat").exists()


class ProcessEnded(Exception):
    """A process of the tree went away between two readings, and its CPU time with it."""


def read_cpu(root: int) -> Reading:
    """CPU of the process and all its descendants. Raises ProcessEnded."""
    return _of_tree(root, _cpu_s)


def read_memory(root: int) -> int:
    """Bytes of the process and all its descendants: PSS, so that what they share counts once. Raises ProcessEnded."""
    return sum(_of_tree(root, lambda process: int(process.memory_full_info().pss)).values())


def _of_tree(root: int, read: Callable[[psutil.Process], _Read]) -> dict[int, _Read]:
    try:
        processes = [process := psutil.Process(root), *process.children(recursive=True)]
        return {process.pid: read(process) for process in processes}
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError) as error:
        raise ProcessEnded(f"a process of tree {root} ended while it was read") from error


def _cpu_s(process: psutil.Process) -> float:
    if not _SCHEDSTAT:
        times = process.cpu_times()
        return float(times.user + times.system)
    tasks = Path(f"/proc/{process.pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9


def spent(before: Reading, after: Reading) -> Reading:
    """CPU seconds between two readings; a process that is new began at 0. Raises ProcessEnded."""
    if gone := before.keys() - after.keys():
        raise ProcessEnded(f"processes {sorted(gone)} ended during the round")
    return {pid: cpu - before.get(pid, 0.0) for pid, cpu in after.items()}


@dataclass(frozen=True, slots=True)
class Usage:
    """What a tree used of its core in `elapsed_s`. `others` is the share of that time that the core ran something
    else, 0 where the tree has more than one core: figures of a round in which it is large are not the peer's own."""

    cpu_s: Reading
    elapsed_s: float
    others: float

    @property
    def total_s(self) -> float:
        return sum(self.cpu_s.values())


class Meter:
    """Runs from its making to `read`."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._busy = _core_busy_s(root)
        self._cpu = read_cpu(root)
        self._started = perf_counter()

    def read(self) -> Usage:
        """Raises ProcessEnded."""
        elapsed = perf_counter() - self._started
        cpu = spent(self._cpu, read_cpu(self._root))
        busy = _core_busy_s(self._root) - self._busy
        others = max(0.0, busy - sum(cpu.values())) / elapsed if busy else 0.0
        return Usage(cpu, elapsed, others)


def _core_busy_s(root: int) -> float:
    """Seconds since the start of the machine in which the core of this process was not idle, in ticks."""
    cores = os.sched_getaffinity(root) if hasattr(os, "sched_getaffinity") else ()
    if len(cores) != 1:
        return 0.0
    times = psutil.cpu_times(percpu=True)[min(cores)]
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


@dataclass(frozen=True, slots=True)
class Cores:
    """The proxy's core, and the one that load and backend share; None where there are not two to give."""

    proxy: int | None
    load: int | None


def choose_cores() -> Cores:
    """The first and the last core allowed to us: neighbours are often two threads of one core."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return Cores(allowed[0], allowed[-1]) if len(allowed) > 1 else Cores(None, None)


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Keep this thread, and what it starts meanwhile, on one core."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def raise_descriptor_limit() -> int:
    """As far as we may, for us and for what we start; how many files may be open at once."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most
