"""What is done to the world while users ask, and undone: each takes a few seconds and leaves everything as it was."""

from __future__ import annotations

import asyncio
import random
import resource
import signal
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import psutil

from bench.soak import worlds
from bench.soak.world import World, until_serving

Act = Callable[[World, random.Random], Awaitable[None]]
"""Raises NotHealed, or TimeoutError."""

FAULT_S = 2.0
CHURNED = 10_000
AT_ONCE = 100
SPARE_BYTES = 8 * 1024 * 1024
MADE_READY_S = 15.0


@dataclass(frozen=True, slots=True)
class Fault:
    """`excuses`: requests fail, since no healthy worker or process could have helped. `streams`: answers that have
    begun are cut, since what sends them is gone.

    A worker that swallows some requests and answers others leaves nothing to go by but time: those that nobody rescued
    or hedged get their 504."""

    name: str
    act: Act
    excuses: bool = False
    streams: bool = False
    made: Callable[[Path], World] = World
    """The world that it needs."""
    unable: Callable[[], str | None] = lambda: None
    """Says why it cannot be made here."""


class NotHealed(Exception):
    """The fault is over, and what was broken has not come back."""


async def nothing(world: World, chance: random.Random) -> None:
    await asyncio.sleep(FAULT_S)


async def kill_worker(world: World, chance: random.Random) -> None:
    worker = chance.choice(world.workers)
    worker.send(signal.SIGKILL)
    await asyncio.sleep(FAULT_S)
    worker.start()
    await asyncio.sleep(FAULT_S)


async def stop_worker(world: World, chance: random.Random) -> None:
    worker = chance.choice(world.workers)
    worker.send(signal.SIGSTOP)
    try:
        await asyncio.sleep(2 * FAULT_S)
    finally:
        worker.send(signal.SIGCONT)
    await asyncio.sleep(FAULT_S)


async def restart_workers(world: World, chance: random.Random) -> None:
    """One after the other: each leaves at once, as programs do that know of no drain, and comes back."""
    for worker in world.workers:
        worker.send(signal.SIGKILL)
        worker.start()
        await asyncio.to_thread(until_serving, worker.port, "worker", worker.program)
        await asyncio.sleep(FAULT_S)  # until it is found healthy, as whoever rolls a fleet waits


def misbehaving(mode: str) -> Act:
    async def act(world: World, chance: random.Random) -> None:
        worker = chance.choice(world.workers)
        await worker.misbehave(mode)
        try:
            await asyncio.sleep(FAULT_S)
        finally:
            await worker.misbehave("none")
        await asyncio.sleep(FAULT_S)

    return act


async def half_open(world: World, chance: random.Random) -> None:
    """Clients that send half a head, or half a body, and then are silent for good."""
    halves = (b"GET /echo/1/1 HTT", b"POST /once/999999999/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
    opened = [await _asked(world, chance.choice(halves)) for _ in range(200)]
    await asyncio.sleep(2 * FAULT_S)
    for connection in opened:
        connection.close()


async def leave_midway(world: World, chance: random.Random) -> None:
    """Clients that reset their connection in the middle of a large answer, or of a stream."""
    for _ in range(200):
        path = chance.choice((b"/echo/2/600000", b"/stream/4/30"))
        connection = await _asked(world, b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.01)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.close()


async def garbage_from_clients(world: World, chance: random.Random) -> None:
    for _ in range(500):
        connection = await _opened(world.port, chance.randbytes(chance.randint(1, 2000)))
        await asyncio.sleep(0.002)
        connection.close()


async def churn(world: World, chance: random.Random) -> None:
    """CHURNED connections, each with a request and gone."""

    async def one() -> None:
        with suppress(OSError):
            connection = await _opened(world.port, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(5):
                await loop.sock_recv(connection, 1000)
            connection.close()

    for _ in range(CHURNED // AT_ONCE):
        await asyncio.gather(*(one() for _ in range(AT_ONCE)))


async def reload(world: World, chance: random.Random) -> None:
    """SIGHUP rolls: every serving process is replaced while requests and streams run."""
    assert world.edge
    before = {process.pid for process in world.serving}
    world.edge.send_signal(signal.SIGHUP)
    async with asyncio.timeout(MADE_READY_S):
        while before & {process.pid for process in world.serving}:
            await asyncio.sleep(0.1)
    await asyncio.sleep(FAULT_S)


async def kill_serving_process(world: World, chance: random.Random) -> None:
    victim = chance.choice(world.serving)
    count = len(world.serving)
    victim.kill()
    async with asyncio.timeout(MADE_READY_S):
        while len([process for process in world.serving if process.pid != victim.pid]) < count:
            await asyncio.sleep(0.1)
    await asyncio.sleep(FAULT_S)


def limited(kind: int, bound: Callable[[psutil.Process], int]) -> Act:
    """A limit of the serving processes goes down to little more than they use, and up again."""

    async def act(world: World, chance: random.Random) -> None:
        processes = world.serving
        before = {process.pid: resource.prlimit(process.pid, kind) for process in processes}
        for process in processes:
            resource.prlimit(process.pid, kind, (bound(process), before[process.pid][1]))
        crowd = [await _opened(world.port, b"") for _ in range(200)]
        try:
            await asyncio.sleep(FAULT_S)
        finally:
            for connection in crowd:
                connection.close()
            for pid, was in before.items():
                with suppress(ProcessLookupError):
                    resource.prlimit(pid, kind, was)
        await asyncio.sleep(FAULT_S)

    return act


async def jump(world: World, chance: random.Random) -> None:
    """The wall clock goes a day ahead, two days back, and right again."""
    assert isinstance(world, worlds.Clockwork)
    for seconds in (86_400, -86_400, 0):
        world.jump(seconds)
        await asyncio.sleep(FAULT_S)


async def lose_certificate(world: World, chance: random.Random) -> None:
    """Its files go away, a reload finds none, and the files come back."""
    assert isinstance(world, worlds.Encrypted)
    assert world.edge
    with world.without_certificate():
        world.edge.send_signal(signal.SIGHUP)
        await asyncio.sleep(2 * FAULT_S)
    await asyncio.sleep(FAULT_S)


async def lose_coordinator(world: World, chance: random.Random) -> None:
    """It is killed, is away for a while, and comes back without a memory; its workers register again."""
    assert isinstance(world, worlds.Coordinated)
    await _without(world, world.coordinators)


async def lose_a_coordinator(world: World, chance: random.Random) -> None:
    """One of two that share a store: the other goes on."""
    assert isinstance(world, worlds.Shared)
    await _without(world, [chance.choice(world.coordinators)])


async def _without(world: worlds.Coordinated, victims: Sequence[subprocess.Popen[bytes]]) -> None:
    for victim in victims:
        victim.kill()
        victim.wait()
    await asyncio.sleep(3 * FAULT_S)
    await asyncio.to_thread(world.start_coordinators)
    await asyncio.sleep(FAULT_S)


async def lose_redis(world: World, chance: random.Random) -> None:
    """It is killed while limits and registry use it, is away for a while, and comes back empty."""
    assert isinstance(world, worlds.Shared)
    assert world.redis
    await _used(world)
    world.redis.kill()
    world.redis.wait()
    await asyncio.sleep(3 * FAULT_S)
    await asyncio.to_thread(world.start_redis)
    await _used(world)
    await asyncio.sleep(FAULT_S)


async def stall_redis(world: World, chance: random.Random) -> None:
    """It takes connections and answers nothing, and then everything."""
    assert isinstance(world, worlds.Shared)
    assert world.redis
    await _used(world)
    world.redis.send_signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(3 * FAULT_S)
    finally:
        world.redis.send_signal(signal.SIGCONT)
    await _used(world)
    await asyncio.sleep(FAULT_S)


async def _used(world: worlds.Shared) -> None:
    until = monotonic() + MADE_READY_S
    while (kept := await asyncio.to_thread(world.kept)) != {"limits", "registry"}:
        if monotonic() > until:
            raise NotHealed(f"the store is used by {', '.join(kept or ['nobody'])} alone")
        await asyncio.sleep(0.2)


async def _opened(port: int, said: bytes) -> socket.socket:
    loop = asyncio.get_running_loop()
    connection = socket.socket()
    connection.setblocking(False)
    async with asyncio.timeout(5):
        await loop.sock_connect(connection, ("127.0.0.1", port))
        if said:
            await loop.sock_sendall(connection, said)
    return connection


async def _asked(world: World, said: bytes) -> socket.socket:
    """A connection that has said this, inside TLS where the world has it."""
    if world.tls is None:
        return await _opened(world.port, said)
    connection = await _opened(world.port, b"")
    return await asyncio.to_thread(_said_sealed, world.tls, connection, said)


def _said_sealed(tls: ssl.SSLContext, connection: socket.socket, said: bytes) -> socket.socket:
    connection.settimeout(5)
    sealed = tls.wrap_socket(connection, server_hostname="127.0.0.1")
    sealed.sendall(said)
    return sealed


def both(one: Fault, other: Fault) -> Fault:
    """Both at once, in a world that bears either."""

    async def act(world: World, chance: random.Random) -> None:
        acts = [fault.act(world, random.Random(chance.random())) for fault in (one, other)]
        for outcome in await asyncio.gather(*acts, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    name = f"{one.name}, {other.name}"
    return Fault(name, act, excuses=one.excuses or other.excuses, streams=one.streams or other.streams, made=other.made)


NOTHING = Fault("nothing", nothing)
"""What all others are held against."""

OF_WORKERS = (
    Fault("worker killed", kill_worker, streams=True),
    Fault("workers restarted in turn", restart_workers, streams=True),
    Fault("worker stopped", stop_worker, streams=True),
    Fault("worker resets", misbehaving("reset"), streams=True),
    Fault("worker stalls", misbehaving("stall"), streams=True),
    Fault("worker swallows requests", misbehaving("swallow"), excuses=True, streams=True),
    Fault("worker answers garbage", misbehaving("garbage"), streams=True),
    Fault("worker answers half", misbehaving("half"), streams=True),
)
"""Of one worker at a time: the others could help."""

FAULTS = (
    NOTHING,
    *OF_WORKERS,
    Fault("clients half open", half_open),
    Fault("clients leave midway", leave_midway),
    Fault("clients send garbage", garbage_from_clients),
    Fault("10,000 connections churned", churn),
    Fault("reload under load", reload),
    Fault("serving process killed", kill_serving_process, excuses=True, streams=True),
    Fault("descriptors exhausted", limited(resource.RLIMIT_NOFILE, lambda process: process.num_fds() + 5), True, True),
    Fault(
        "memory exhausted",
        limited(resource.RLIMIT_AS, lambda process: process.memory_info().vms + SPARE_BYTES),
        True,
        True,
    ),
)
"""Those that any world bears, one after the other and in any order."""

CLOCK = Fault("clock jumps", jump, made=worlds.Clockwork, unable=worlds.no_compiler)
COORDINATOR = Fault("coordinator away", lose_coordinator, made=worlds.Coordinated)
SHARED = tuple(
    Fault(name, act, made=worlds.Shared, unable=worlds.no_redis)
    for name, act in (
        ("one of two coordinators away", lose_a_coordinator),
        ("Redis away", lose_redis),
        ("Redis stalls", stall_redis),
    )
)
CERTIFICATE = Fault("certificate gone", lose_certificate, made=worlds.Encrypted)
SPECIAL = (
    Fault("disk full", nothing, made=worlds.full_disk),
    CLOCK,
    CERTIFICATE,
    COORDINATOR,
    *SHARED,
)
"""Each in a world of its own kind."""

MIXED = (*FAULTS[1:], CLOCK, COORDINATOR, *SHARED)
"""What worlds.Whole bears; worlds.Sealed bears CERTIFICATE too."""
