"""A coordinator and lent machines as real processes: `coordinator serve`, `coordinator agent`."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson

from tests.e2e.processes import Process, free_port, wait_for

KEY = "the join secret of these tests"
PATIENCE = 20.0


class CoordinatorProcess(Process):
    """On a port of its own; `port` to start it again where it was."""

    def __init__(self, log: Path, port: int | None = None, **variables: str) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        own = {"COORDINATOR_HOST": "127.0.0.1", "COORDINATOR_PORT": str(self.port), "API_KEY": KEY}
        own["COORDINATOR_HEARTBEAT_INTERVAL"] = "0.5"
        super().__init__(["-m", "coordinator", "serve"], log, {**own, **variables})
        wait_for(f"{self.url}/health", self)

    def workers(self) -> dict[str, dict[str, Any]]:
        with urllib.request.urlopen(f"{self.url}/api/admin/workers", timeout=5) as answer:
            return {worker["worker_id"]: worker for worker in json.load(answer)["workers"]}

    def service_url(self, worker: str, service: str) -> str:
        """Once it is healthy there."""

        def url() -> str:
            reports = self.workers().get(worker, {}).get("services") or []
            healthy = [r["service_url"] for r in reports if r["name"] == service and r["status"] == "healthy"]
            return healthy[0] if healthy else ""

        return until(url)


class AgentProcess(Process):
    """`services` are run by the backend of these tests."""

    def __init__(
        self, log: Path, coordinator: str, services: Iterable[str], worker_id: str, kind: str = "cpu", **variables: str
    ) -> None:
        file = log.with_suffix(".toml")
        file.write_text(
            "\n".join(
                f"[services.{name}]\ncommand = {[sys.executable, '-m', 'tests.e2e.backend', '{port}', worker_id]}\n"
                f"port = {free_port()}\nstart_timeout = 20\nstop_timeout = 5\n"
                for name in services
            )
        )
        own = {
            "COORDINATOR_URL": coordinator,
            "API_KEY": KEY,
            "WORKER_ID": worker_id,
            "WORKER_TYPE": kind,
            "AGENT_SERVICES_FILE": str(file),
            "AGENT_DATA": str(log.with_suffix(".data")),
            "LOG_FORMAT": "json",
        }
        super().__init__(["-m", "coordinator", "agent"], log, {**own, **variables})

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = [line for line in self.output().splitlines() if line.startswith("{") and line.endswith("}")]
        return [entry for line in lines if (entry := orjson.loads(line)).get("event") == event]


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """The first true value of the condition; what it raises on the way counts as not yet."""
    end = time.monotonic() + seconds
    while True:
        try:
            value = condition()
        except OSError:
            value = None
        if value:
            return value
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)
