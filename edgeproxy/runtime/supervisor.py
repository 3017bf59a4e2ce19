"""Keeps the processes of one program running on sockets that it owns.

Signals: TERM, INT and QUIT drain, a second one kills at once; HUP replaces the children one by one.
systemd is told (NOTIFY_SOCKET). If the supervisor dies, its children see their channel close and leave.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import structlog

from edgeproxy.runtime.backoff import Backoff
from edgeproxy.runtime.channel import Message, encode
from edgeproxy.runtime.child import GRACE
from edgeproxy.runtime.environment import EXIT_CONFIGURATION, EXIT_FAILURE, EXIT_NOT_STARTED
from edgeproxy.runtime.handle import ChildHandle, Program
from edgeproxy.runtime.notify import notify_ready, notify_reloading, notify_stopping
from edgeproxy.runtime.reaper import is_init, reap_orphans
from edgeproxy.runtime.spawn import describe_exit
from edgeproxy.runtime.tasks import hold

__all__ = ["Program", "Supervisor"]

FIRST_DELAY: Final = 0.1
MOST_DELAY: Final = 10.0
TICK: Final = 1.0


def ignore(*_: Any) -> None:
    """Nobody wants to know."""


class Slot:
    """A place for one child; its sockets outlive it. `current` serves, what it replaced may still drain."""

    def __init__(self, index: int, sockets: Sequence[socket.socket]) -> None:
        self.index = index
        self.sockets = sockets
        self.current: ChildHandle | None = None
        self.vacant = asyncio.Event()
        self.lived = 0.0  # seconds, the last that died here
        self.backoff = Backoff(FIRST_DELAY, MOST_DELAY)

    def fill(self, child: ChildHandle) -> None:
        self.vacant.clear()
        self.current = child
        child.exited.add_done_callback(lambda _: self._vacate(child))

    def _vacate(self, child: ChildHandle) -> None:
        if self.current is child:
            self.current = None
            self.lived = child.lifetime
            self.vacant.set()


class Supervisor:
    """Runs `program.processes` children. Socket j, which it owns, goes to child j modulo their number.

    `on_message(slot, message)` gets what children send, with the sender's `pid` added (during a roll two
    processes share a slot); `on_exit(slot, pid)` follows when it is gone; `on_ready()` is called once, when
    every slot serves.
    """

    def __init__(
        self,
        program: Program,
        sockets: Sequence[socket.socket],
        *,
        on_message: Callable[[int, Message], None] = ignore,
        on_ready: Callable[[], None] = ignore,
        on_exit: Callable[[int, int], None] = ignore,
    ) -> None:
        self._program = program
        self._log = structlog.get_logger(__name__).bind(program=program.name)
        self._sockets = list(sockets)
        self._on_message = on_message
        self._on_ready = on_ready
        self._on_exit = on_exit
        self._slots: list[Slot] = []
        self._children: set[ChildHandle] = set()
        self._latest: dict[str, bytes] = {}
        self._was_ready = False
        self._stopping = asyncio.Event()
        self._roll_wanted = asyncio.Event()
        self._killing = False
        self._code = 0
        self._has_terminal = _terminal()

    @property
    def ready(self) -> bool:
        """Every slot has served, at least one does, and nobody said stop."""
        return self._was_ready and not self.draining and any(slot.current for slot in self._slots)

    @property
    def draining(self) -> bool:
        return self._stopping.is_set()

    @property
    def pids(self) -> list[int]:
        return sorted(child.pid for child in self._children)

    def broadcast(self, message: Message) -> None:
        """To every child, now and later: one that starts hears the last message of each type first.
        ValueError if the message is longer than a channel takes."""
        line = encode(message)
        self._latest.pop(message["type"], None)
        self._latest[message["type"]] = line
        for child in self._children:
            child.send_line(message["type"], line)

    def stop(self, code: int = 0) -> None:
        """Drain, then `run()` returns the code. The first to call it decides the code."""
        if not self.draining:
            self._code = code
            self._stopping.set()

    def roll(self) -> None:
        """Replace the children one by one, as SIGHUP does."""
        self._roll_wanted.set()

    async def run(self) -> int:
        """Until told to stop and all children have left; the exit code."""
        share = self._program.processes
        self._slots = [Slot(i, self._sockets[i::share]) for i in range(share)]
        with self._signals():
            try:
                await self._supervise()
                await self._drain()
            finally:
                await self._end()
        return EXIT_FAILURE if self._killing else self._code

    async def _supervise(self) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._keep(slot)) for slot in self._slots]
            tasks += [group.create_task(self._roll_on_request()), group.create_task(self._end_hung())]
            if is_init():
                tasks.append(group.create_task(reap_orphans()))
            await self._stopping.wait()
            for task in tasks:
                task.cancel()

    # ---- one slot

    async def _keep(self, slot: Slot) -> None:
        while True:
            child = await self._start(slot)
            if child is not None:
                slot.fill(child)
                self._note_ready()
                await slot.vacant.wait()
            if self.draining:
                return
            delay = slot.backoff.next(slot.lived)
            slot.lived = 0.0
            self._log.warning(
                "a slot is empty, it is filled again",
                slot=slot.index,
                delay=delay,
            )
            await asyncio.sleep(delay)

    async def _start(self, slot: Slot) -> ChildHandle | None:
        """A child that is ready, or None, the reason logged. The first start must succeed: else we stop."""
        try:
            child = ChildHandle.spawn(self._program, slot.index, slot.sockets)
        except OSError as error:
            self._log.error("no process could be started", reason=str(error))
            self._give_up(EXIT_NOT_STARTED)
            return None
        self._children.add(child)
        child.exited.add_done_callback(lambda _: self._forget(child))
        await child.connect(self._hear)
        for kind, line in self._latest.items():
            child.send_line(kind, line)
        if await child.until_ready(self._program.start_timeout_s):
            return child
        await self._failed_start(child)
        return None

    async def _failed_start(self, child: ChildHandle) -> None:
        timed_out = not child.exited.done()
        child.kill()
        code = await asyncio.shield(child.exited)
        reason = "not ready in time" if timed_out else describe_exit(code)
        self._log.error("a child did not start", slot=child.slot, pid=child.pid, reason=reason)
        if not timed_out and code > 0:
            self._give_up(code if code in (EXIT_CONFIGURATION, EXIT_NOT_STARTED) else EXIT_NOT_STARTED)

    def _give_up(self, code: int) -> None:
        """A start that fails for a reason of its own fails again: leave, unless others serve."""
        if not self._was_ready or not any(slot.current for slot in self._slots):
            self.stop(code)

    def _note_ready(self) -> None:
        if not self._was_ready and all(slot.current for slot in self._slots):
            self._was_ready = True
            self._log.info("ready", processes=len(self._slots), pids=self.pids)
            notify_ready(f"{len(self._slots)} processes serve")
            self._on_ready()

    def _hear(self, child: ChildHandle, message: Message) -> None:
        self._on_message(child.slot, {**message, "pid": child.pid})

    def _forget(self, child: ChildHandle) -> None:
        self._children.discard(child)
        if not self.draining:
            how = describe_exit(child.exited.result())
            self._log.info("a child ended", slot=child.slot, pid=child.pid, how=how)
        self._on_exit(child.slot, child.pid)

    async def _end_hung(self) -> None:
        """Ticks are counted, not time: if it was we who stopped (SIGSTOP, a paused machine), nobody hangs."""
        tick = min(TICK, self._program.hang_s / 4)
        while True:
            await asyncio.sleep(tick)
            for child in [child for child in self._children if child.is_ready]:
                child.silence += 1
                if child.silence * tick > self._program.hang_s:
                    self._log.error("a child is hung, it is killed", pid=child.pid)
                    child.kill()

    # ---- roll

    async def _roll_on_request(self) -> None:
        while True:
            await self._roll_wanted.wait()
            self._roll_wanted.clear()
            notify_reloading()
            self._log.info("rolling")
            for slot in self._slots:
                if slot.current is not None and not await self._replace(slot, slot.current):
                    self._log.error("the roll is given up, the old children stay")
                    break
            notify_ready(f"{len(self._slots)} processes serve")

    async def _replace(self, slot: Slot, old: ChildHandle) -> bool:
        await self._wait_for_leaving(slot, old)
        replacement = await self._start(slot)
        if replacement is None:
            return False
        slot.fill(replacement)
        hold(self._retire(old, replaced=True))
        return True

    async def _wait_for_leaving(self, slot: Slot, old: ChildHandle) -> None:
        """At most two processes a slot, however often HUP comes."""
        leaving = [c.exited for c in self._children if c.slot == slot.index and c is not old and c.is_ready]
        if leaving:
            await asyncio.wait(leaving)

    # ---- the end

    async def _drain(self) -> None:
        notify_stopping("draining")
        self._log.info("draining", seconds=self._program.drain_s)
        leaving = [asyncio.ensure_future(self._retire(child, replaced=False)) for child in self._children]
        for sock in self._sockets:  # our copies would keep the port open when the children have left it
            sock.close()
        await asyncio.gather(*leaving)

    async def _retire(self, child: ChildHandle, *, replaced: bool) -> None:
        child.drain(self._program.drain_s, replaced=replaced)
        await asyncio.wait({child.exited}, timeout=self._program.drain_s + GRACE)
        if not child.exited.done():
            self._log.warning("a child did not leave in time, it is killed", pid=child.pid)
            child.kill()
            await asyncio.shield(child.exited)

    async def _end(self) -> None:
        """Whatever happened: no child is left."""
        children = list(self._children)
        for child in children:
            child.kill()
        if children:
            await asyncio.wait([child.exited for child in children])
        for sock in self._sockets:
            sock.close()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handlers: dict[signal.Signals, Callable[[], None]] = {
            signal.SIGTERM: self._terminate,
            signal.SIGINT: self._terminate,
            signal.SIGQUIT: self._terminate,
            signal.SIGHUP: self._hang_up,
        }
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def _terminate(self) -> None:
        if not self.draining:
            self.stop()
            return
        self._killing = True
        for child in self._children:
            child.kill()

    def _hang_up(self) -> None:
        """HUP is also what a closing terminal sends: then it means leave."""
        if self._has_terminal and not _terminal():
            self._terminate()
        else:
            self.roll()


def _terminal() -> bool:
    """Whether this process has a controlling terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
