"""A coordinator to the letter of the wire, played by the test, and the agent as a process."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import orjson
from aiohttp import ClientSession, web

T = TypeVar("T")

PROGRAM = Path(__file__).with_name("program.py")
PATIENCE = 30.0


async def until(condition: Callable[[], T]) -> T:
    """The first true value of the condition."""
    async with asyncio.timeout(PATIENCE):
        while not (value := condition()):
            await asyncio.sleep(0.01)
    return value


class Coordinator:
    """Assigns `assigned` to whoever comes. `registrations` and `beats` are what it was told, in order."""

    def __init__(self) -> None:
        self.port = 0
        self.assigned: list[str] = []
        self.ports: dict[str, int] = {}
        self.interval = 0.3
        self.known: set[str] = set()
        self.registrations: list[dict[str, Any]] = []
        self.beats: list[dict[str, Any]] = []
        self.beat_times: list[float] = []
        self.keys: set[str | None] = set()
        self.left: list[str] = []
        self.old_style = False
        self.refuse_with = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Again after a stop: on the same port, knowing nobody."""
        app = web.Application()
        app.router.add_get("/health", self._health)
        app.router.add_post("/api/worker/register", self._register)
        app.router.add_post("/api/worker/heartbeat", self._heartbeat)
        app.router.add_delete("/api/worker/unregister/{id}", self._unregister)
        self._runner = web.AppRunner(app, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        self.known.clear()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def reports(self) -> dict[str, dict[str, Any]]:
        """The services as the last heartbeat tells them."""
        return {report["name"]: report for report in (self.beats[-1]["services"] if self.beats else [])}

    async def healthy(self, *names: str) -> dict[str, dict[str, Any]]:
        def as_wanted() -> bool:
            return {n: r["status"] for n, r in self.reports().items()} == dict.fromkeys(names, "healthy")

        await until(as_wanted)
        return self.reports()

    def _assignment(self) -> dict[str, Any]:
        configs = [{"name": n, "port": self.ports[n], "priority": 1} for n in self.assigned if n in self.ports]
        return {
            "assigned_services": self.assigned,
            "service_configs": configs,
            "heartbeat_interval": self.interval,
        }

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "healthy"})

    async def _register(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.registrations.append(body)
        self.keys.add(request.headers.get("X-API-Key"))
        if self.refuse_with:
            return web.json_response({"detail": "Invalid API key"}, status=self.refuse_with)
        worker_id = body["worker_id"] or f"given-{len(self.registrations)}"
        self.known.add(worker_id)
        answer = {"worker_id": worker_id, "worker_type": body["capabilities"]["worker_type"], "tier": 2}
        return web.json_response({"status": "registered", **answer, **self._assignment()})

    async def _heartbeat(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.beats.append(body)
        self.beat_times.append(asyncio.get_running_loop().time())
        if body["worker_id"] not in self.known:
            return web.json_response({"detail": "Worker not found"}, status=404)
        return web.json_response({"status": "ok"} if self.old_style else {"status": "ok", **self._assignment()})

    async def _unregister(self, request: web.Request) -> web.Response:
        self.left.append(request.match_info["id"])
        return web.json_response({"status": "ok"})


class Agent:
    """The process, and its log as it comes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log: list[dict[str, Any]] = []
        self.errors = b""
        self._readers = [asyncio.ensure_future(self._read()), asyncio.ensure_future(self._read_errors())]

    @classmethod
    async def start(cls, environment: dict[str, str]) -> Self:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AGENT_", "WORKER_", "COORDINATOR_"))}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROGRAM),
            env={"WORKER_TYPE": "cpu", **clean, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        return cls(process)

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [entry for entry in self.log if entry["event"] == event]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def end(self) -> int:
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*self._readers)
            return await self.process.wait()

    async def close(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.end()

    async def _read(self) -> None:
        assert self.process.stdout
        async for line in self.process.stdout:
            self.log.append(orjson.loads(line))

    async def _read_errors(self) -> None:
        assert self.process.stderr
        self.errors = await self.process.stderr.read()


async def ask(url: str) -> dict[str, Any]:
    """What the test service says of itself."""
    async with ClientSession() as session, session.get(url) as response:
        return dict(orjson.loads(await response.read()))
