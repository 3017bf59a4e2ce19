"""`python -m bench.engines`: CPU of one "I live" at Redis, NATS, etcd, where they are installed, and here."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic, sleep

from bench.engines.asker import Line, asked
from bench.engines.engines import ENGINES, Engine
from bench.launch import StartFailed, ended, free_port
from bench.measure import Meter, choose_cores, pinned

SECONDS = 3.0
READY_S = 20.0


def main() -> int:
    for engine in ENGINES:
        if (program := shutil.which(engine.program)) is None:
            print(f"{engine.name:12} not installed")
            continue
        try:
            per_second, us = measured(engine, program, SECONDS)
        except (OSError, ValueError, StartFailed, ExceptionGroup) as error:
            print(f"{engine.name:12} {type(error).__name__}: {error}")
            return 1
        print(f"{engine.name:12} {us:8.1f} us of CPU each, {per_second:9,.0f} a second", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "bench.coordinator", "heartbeats"], stdout=subprocess.PIPE, timeout=180, check=True
    )
    row = json.loads(done.stdout.splitlines()[-1])
    print(f"{'coordinator':12} {row['microseconds']:8.1f} us of CPU each, {row['per_second']:9,.0f} a second")
    return 0


def measured(engine: Engine, program: str, seconds: float) -> tuple[float, float]:
    """How many a second, and microseconds of CPU each: of all its threads, the core its own."""
    cores = choose_cores()
    with tempfile.TemporaryDirectory(prefix="edgeproxy-engine-") as made:
        port, directory = free_port(), Path(made)
        command = [program, *engine.command(port, free_port(), directory)]
        with (directory / "log").open("wb") as log, pinned(cores.proxy):
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            _until_ready(engine, process, port)
            with pinned(cores.load):
                meter = Meter(process.pid)
                answers = asyncio.run(asked(port, seconds, lambda number: _line(engine, number)))
                usage = meter.read()
        finally:
            ended(process)
    return answers / usage.elapsed_s, usage.total_s / answers * 1e6


def _line(engine: Engine, number: int) -> Line:
    words = engine.words(number)
    return Line(words.first, words.question, words.ends, words.wrong)


def _until_ready(engine: Engine, process: subprocess.Popen[bytes], port: int) -> None:
    until = monotonic() + READY_S
    while True:
        try:
            asyncio.run(asked(port, 0.05, lambda number: _line(engine, number)))
            return
        except (OSError, ValueError) as error:
            if process.poll() is not None or monotonic() > until:
                raise StartFailed(f"{engine.name} did not come up: {error}") from error
        sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
