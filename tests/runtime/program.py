"""What the tests supervise: `serve` runs the supervisor on a port of its choosing, `child` is its worker.

The service: a connection gets the child's pid, slot and the last word broadcast as a line; a client that
writes `slow` is answered only when it writes again, so a request can be held open over a drain or a roll.
Behaviour is told by files in the directory MOOD, so that it can differ from one child to the next.
"""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import cast

import orjson
import uvloop

from edgeproxy.runtime.child import Child, run_child
from edgeproxy.runtime.environment import ConfigurationError, run_or_exit
from edgeproxy.runtime.logs import configure_logs
from edgeproxy.runtime.sockets import Bind, listen
from edgeproxy.runtime.supervisor import Program, Supervisor

MOOD = Path(os.environ["MOOD"])


async def child_main(child: Child) -> None:
    if (MOOD / "bad-settings").exists():
        raise ConfigurationError("COLOUR=mauve: must be one of red, green")
    if (MOOD / "cannot-start").exists():
        raise RuntimeError("no model")
    if (MOOD / "slow-start").exists():
        await asyncio.sleep(600)
    word = {"word": "none"}
    child.on_message = word.update
    server = Server(child, word)
    listeners = [
        await asyncio.get_running_loop().create_server(lambda: Connection(server), sock=sock) for sock in child.sockets
    ]
    child.ready()
    seconds = await child.until_drain()
    child.send({"type": "leaving", "replaced": child.replaced})
    for listener in listeners:
        listener.close()
    async with asyncio.timeout(seconds):
        await server.idle.wait()


class Server:
    def __init__(self, child: Child, word: dict[str, str]) -> None:
        self.child = child
        self.word = word
        self.open = 0
        self.idle = asyncio.Event()
        self.idle.set()

    def count(self, change: int) -> None:
        self.open += change
        if self.open:
            self.idle.clear()
        else:
            self.idle.set()


class Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self.server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.server.count(1)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.count(-1)

    def data_received(self, data: bytes) -> None:
        if data == b"hang":
            time.sleep(600)
        if data != b"slow":
            child = self.server.child
            child.send({"type": "served", "count": 1})
            answer = {"pid": os.getpid(), "slot": child.slot, "word": self.server.word["word"]}
            self.transport.write(orjson.dumps(answer) + b"\n")
            self.transport.close()


async def supervise() -> int:
    processes = int(os.environ.get("PROCESSES", "1"))
    sockets = listen(Bind("127.0.0.1", 0), processes)
    port = sockets[0].getsockname()[1]
    program = Program(
        name="echo",
        argv=[sys.executable, __file__, "child"],
        processes=processes,
        drain_s=float(os.environ.get("DRAIN", "5")),
        start_timeout_s=float(os.environ.get("START_TIMEOUT", "10")),
        hang_s=float(os.environ.get("HANG", "30")),
    )

    def tell(**event: object) -> None:
        print(orjson.dumps(event).decode(), flush=True)

    supervisor = Supervisor(
        program,
        sockets,
        on_message=lambda slot, message: tell(event="message", slot=slot, **message),
        on_ready=lambda: tell(event="serving", port=port, pids=supervisor.pids),
        on_exit=lambda slot, pid: tell(event="gone", slot=slot, pid=pid),
    )
    supervisor.broadcast({"type": "word", "word": "first"})
    supervisor.broadcast({"type": "word", "word": "hello"})
    return await supervisor.run()


def main() -> int:
    configure_logs()
    if sys.argv[1] == "child":
        return run_child(child_main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(supervise())


if __name__ == "__main__":
    run_or_exit(main)
