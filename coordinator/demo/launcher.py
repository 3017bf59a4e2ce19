"""Brings the fleet up, shows it, and ends it: whatever happens, nothing is left running.

Exit codes: 0 after Ctrl-C or SIGTERM, 1 when a port is taken or the fleet did not come up in time, 78 for a
wrong variable.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from aiohttp import ClientSession
from rich.console import Console

from coordinator.demo import guide, readiness
from coordinator.demo.fleet import HOST, Ports, agents, coordinator, services_text
from coordinator.demo.processes import FleetError, Processes
from coordinator.demo.readiness import Check
from coordinator.demo.sample import letter
from coordinator.demo.settings import DemoSettings
from edgeproxy.runtime.environment import EXIT_FAILURE

UP_WITHIN = 55.0  # seconds, so that with the last look it is a minute at most
BETWEEN_CHECKS = 0.25  # seconds


async def launch(settings: DemoSettings, console: Console, verbose: bool) -> int:
    """Runs until a signal; the exit code."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        processes = Processes(settings.directory / "logs", console if verbose else None)
    except OSError as error:
        return _failed(f"cannot write to {settings.directory}: {error.strerror}; set DEMO_DIRECTORY")
    try:
        await _bring_up(settings, processes, console)
        await asyncio.Event().wait()
    except FleetError as error:
        return _failed(str(error))
    except asyncio.CancelledError:
        console.print("\nending the fleet ...")
    finally:
        await _uninterrupted(processes)
    return 0


def _failed(message: str) -> int:
    print(f"error: {message}", file=sys.stderr, flush=True)
    return EXIT_FAILURE


async def _uninterrupted(processes: Processes) -> None:
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # it ends within 15 seconds; a second Ctrl-C would leave orphans
        asyncio.get_running_loop().add_signal_handler(number, lambda: None)
    await processes.stop()


async def _bring_up(settings: DemoSettings, processes: Processes, console: Console) -> None:
    ports, began = settings.ports, time.monotonic()
    _refuse_taken(ports)
    sample, services_file = _write_files(settings.directory, ports)
    key = secrets.token_urlsafe(24)
    console.print(f"logs in {processes.logs}, join key of this run {key[:4]}...", highlight=False)
    async with readiness.session() as session:
        try:
            async with asyncio.timeout(UP_WITHIN):
                await processes.start(coordinator(ports, key))
                await _until([readiness.coordinator_check(ports)], session, console, processes)
                for agent in agents(ports, key, services_file.resolve()):
                    await processes.start(agent)
                await _until(readiness.fleet_checks(ports), session, console, processes)
        except TimeoutError:
            raise FleetError(await _missing(ports, session, processes.logs)) from None
        found = guide.replicas(await readiness.workers(session, ports))
    console.print(f"up in {time.monotonic() - began:.1f} s", style="bold green", highlight=False)
    _show(console, settings, found, sample)


def _refuse_taken(ports: Ports) -> None:
    for name, port, variable in ports.listeners:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                reason = error.strerror or str(error)
                raise FleetError(f"port {port} ({name}) cannot be had: {reason}; set {variable}") from None


def _write_files(directory: Path, ports: Ports) -> tuple[Path, Path]:
    sample, services_file = directory / "letter.pdf", directory / "services.toml"
    sample.write_bytes(letter())
    services_file.write_text(services_text(ports), encoding="utf-8")
    return sample, services_file


async def _until(checks: list[Check], session: ClientSession, console: Console, processes: Processes) -> None:
    with console.status("") as status:
        for check in checks:
            status.update(f"waiting for: {check.what}")
            while not await check.done(session):
                processes.refuse_failed()
                await asyncio.sleep(BETWEEN_CHECKS)
            console.print(f"[green]ok[/] {check.what}", highlight=False)


async def _missing(ports: Ports, session: ClientSession, logs: Path) -> str:
    """One line that says what does not answer; asked once more, all at a time."""
    checks = [readiness.coordinator_check(ports), *readiness.fleet_checks(ports)]
    done = await asyncio.gather(*(check.done(session) for check in checks))
    late = [check.what for check, good in zip(checks, done, strict=True) if not good]
    with suppress(Exception):
        counts = readiness.healthy(await readiness.workers(session, ports))
        late.append("healthy now: " + (", ".join(f"{count} {name}" for name, count in counts.items()) or "none"))
    return f"not up after {UP_WITHIN:.0f} s, missing: {'; '.join(late)}; see {logs}"


def _show(console: Console, settings: DemoSettings, found: list[guide.Replica], sample: Path) -> None:
    console.print()
    for line in guide.picture(settings.ports, found):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for title, line in guide.lines(settings.ports, found, sample):
        console.print(f"\n# {title}", style="dim", markup=False, highlight=False)
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print("\nCtrl-C ends the fleet", style="bold")
