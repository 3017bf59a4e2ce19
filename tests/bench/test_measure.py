"""CPU accounting on processes that burn a known amount of it."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from bench.measure import (
    Cores,
    Meter,
    ProcessEnded,
    choose_cores,
    pinned,
    raise_descriptor_limit,
    read_cpu,
    read_memory,
    spent,
)

# Two threads that burn 0.15 s of CPU each when a line comes, say so, and stay.
BURN = """
import threading, time
def burn():
    while time.thread_time() < 0.15: pass
    burnt.wait()
burnt = threading.Barrier(2)
stay = threading.Event()
print("ready", flush=True); input()
threading.Thread(target=lambda: (burn(), stay.wait()), daemon=True).start()
burn(); print("burnt", flush=True); input()
"""
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN!r}])"


@pytest.fixture
def burning() -> Iterator[subprocess.Popen[str]]:
    """A parent that idles over a child that burns."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=pipe, stdout=pipe, text=True) as process:
        yield process
        process.communicate("\n")


def test_a_tree_has_the_cpu_of_all_threads_of_its_children(burning: subprocess.Popen[str]) -> None:
    assert burning.stdin
    assert burning.stdout
    assert burning.stdout.readline() == "ready\n"
    before = read_cpu(burning.pid)
    burning.stdin.write("\n")
    burning.stdin.flush()
    assert burning.stdout.readline() == "burnt\n"
    used = spent(before, read_cpu(burning.pid))
    (child,) = psutil.Process(burning.pid).children()
    assert used.keys() == {burning.pid, child.pid}
    assert used[child.pid] > 0.25  # one thread alone burns 0.15
    assert used[burning.pid] < 0.1


def test_a_tree_that_is_gone_is_an_error() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(ProcessEnded):
        read_cpu(process.pid)


def test_spent_is_the_difference_and_a_new_process_began_at_nothing() -> None:
    assert spent({1: 1.0}, {1: 1.5, 2: 0.25}) == {1: 0.5, 2: 0.25}


def test_a_process_that_ended_takes_its_cpu_with_it_which_is_an_error() -> None:
    with pytest.raises(ProcessEnded, match="7"):
        spent({1: 1.0, 7: 3.0}, {1: 2.0})


def test_pinned_holds_for_us_and_for_what_we_start_and_is_undone() -> None:
    before = os.sched_getaffinity(0)
    core = max(before)
    with pinned(core):
        assert os.sched_getaffinity(0) == {core}
        told = subprocess.check_output([sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"])
    assert told.decode().strip() == str({core})
    assert os.sched_getaffinity(0) == before


def test_pinned_to_nothing_changes_nothing() -> None:
    before = os.sched_getaffinity(0)
    with pinned(None):
        assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize(
    ("allowed", "cores"), [({3}, Cores(None, None)), ({0, 1}, Cores(0, 1)), ({2, 5, 4}, Cores(2, 5))]
)
def test_the_proxy_and_the_load_have_a_core_each_or_none(
    monkeypatch: pytest.MonkeyPatch, allowed: set[int], cores: Cores
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: allowed, raising=False)
    assert choose_cores() == cores


HOLD = "held = bytearray(b'x') * %d; print('ready', flush=True); input()"


def test_memory_is_that_of_the_tree_and_grows_with_it() -> None:
    taken = []
    for size in (1, 50_000_000):
        command = [sys.executable, "-c", HOLD % size]
        parent = f"import subprocess; subprocess.run({command!r})"
        pipe = subprocess.PIPE
        with subprocess.Popen([sys.executable, "-c", parent], stdin=pipe, stdout=pipe, text=True) as process:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            taken.append(read_memory(process.pid))
            process.communicate("\n")
    assert taken[1] - taken[0] == pytest.approx(50_000_000, rel=0.1)


def test_a_meter_sees_what_a_tree_used_and_how_long_it_took(burning: subprocess.Popen[str]) -> None:
    assert burning.stdin
    assert burning.stdout
    assert burning.stdout.readline() == "ready\n"
    meter = Meter(burning.pid)
    burning.stdin.write("\n")
    burning.stdin.flush()
    assert burning.stdout.readline() == "burnt\n"
    usage = meter.read()
    assert usage.total_s == sum(usage.cpu_s.values()) > 0.25
    assert usage.elapsed_s > 0.14


def test_a_meter_sees_others_on_the_core() -> None:
    core, burn = min(os.sched_getaffinity(0)), "import time\nwhile time.process_time() < 0.4: pass"
    with pinned(core), subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as idle:
        meter = Meter(idle.pid)
        subprocess.run([sys.executable, "-c", burn], check=True)
        usage = meter.read()
        idle.communicate(b"\n")
    assert usage.total_s < 0.2
    assert usage.others * usage.elapsed_s > 0.3


def test_all_files_that_may_be_open_may_be() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    assert raise_descriptor_limit() == before[1] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
