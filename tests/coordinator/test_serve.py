"""`coordinator serve` with real processes and real signals."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from edgeproxy.cluster.client import CoordinatorClient, CoordinatorError
from edgeproxy.cluster.messages import Heartbeat, Registration, WorkerList
from edgeproxy.discovery.coordinator import CoordinatorSource
from edgeproxy.discovery.snapshot import Snapshot

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0


def environment(**more: str) -> dict[str, str]:
    ours = ("COORDINATOR_", "EDGEPROXY_", "API_KEY", "LOG_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**clean, "PYTHONPATH": str(ROOT), **more}


async def spawn(*args: str, **environ: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "coordinator",
        *args,
        env=environment(**environ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(*args: str, **environ: str) -> tuple[int | None, str, str]:
    process = await spawn(*args, **environ)
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


class Serving:
    def __init__(self, process: asyncio.subprocess.Process, port: int, child: int) -> None:
        self.process, self.child = process, child
        self.url = f"http://127.0.0.1:{port}"

    def client(self, key: str | None = None) -> CoordinatorClient:
        return CoordinatorClient(self.url, key)


async def event(process: asyncio.subprocess.Process, name: str) -> dict[str, Any]:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        while line := await process.stdout.readline():
            record: dict[str, Any] = orjson.loads(line)
            if record.get("event") == name:
                return record
    raise AssertionError(f"the coordinator ended before it said {name!r}")


@asynccontextmanager
async def serving(**environ: str) -> AsyncIterator[Serving]:
    process = await spawn("serve", "--port", "0", **environ)
    try:
        pids = (await event(process, "ready"))["pids"]
        port = (await event(process, "the coordinator serves"))["port"]
        yield Serving(process, port, pids[0])
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.02)


async def first_list(client: CoordinatorClient) -> WorkerList:
    """As soon as somebody answers."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                listed = await client.worker_list()
            except CoordinatorError:
                await asyncio.sleep(0.02)
            else:
                assert listed is not None
                return listed


LOOPBACK = {"COORDINATOR_HOST": "127.0.0.1"}
WORKER = Registration.model_validate(
    {
        "worker_id": "w",
        "capabilities": {"worker_type": "gpu"},
        "services": [{"name": "rag-embeddings", "service_url": "http://127.0.0.1:8102"}],
    }
)


async def test_a_fleet_over_a_restart_of_the_coordinator() -> None:
    async with serving(**LOOPBACK, COORDINATOR_HEARTBEAT_INTERVAL="30") as coordinator, coordinator.client() as client:
        assert (await client.register(WORKER)).assigned_services == ["rag-embeddings"]
        seen: list[Snapshot] = []
        async with asyncio.TaskGroup() as group:
            source = CoordinatorSource(client, seen.append, refresh_s=0.05)
            task = group.create_task(source.run())
            await until(lambda: bool(seen))
            await asyncio.sleep(1.5)  # it is saved within a second
            os.kill(coordinator.child, signal.SIGKILL)
            listed = await first_list(client)  # of a new process, which knows everybody
            assert [(worker.worker_id, worker.status) for worker in listed.workers] == [("w", "healthy")]
            assert listed.settled is False
            assert (await client.heartbeat(Heartbeat(worker_id="w"))).assigned_services == ["rag-embeddings"]
            assert [len(list(snapshot.all_endpoints())) for snapshot in seen] == [1]
            task.cancel()
        code, out, _ = await run("gaps", "--json", COORDINATOR_URL=coordinator.url)
        assert code == 0
        rows = {row["service"]: row["current_workers"] for row in orjson.loads(out)["gaps"]}
        assert rows["rag-embeddings"] == 1
        coordinator.process.terminate()
        async with asyncio.timeout(PATIENCE):
            assert await coordinator.process.wait() == 0


async def test_a_fleet_over_a_restart_of_everything(tmp_path: Path) -> None:
    state = {**LOOPBACK, "COORDINATOR_STATE": str(tmp_path / "registry"), "COORDINATOR_HEARTBEAT_INTERVAL": "30"}
    async with serving(**state) as coordinator, coordinator.client() as client:
        await client.register(WORKER)
    async with serving(**state) as coordinator, coordinator.client() as client:
        listed = await client.worker_list()
        assert listed is not None
        assert [worker.worker_id for worker in listed.workers] == ["w"]
    (tmp_path / "registry").write_text("nonsense\n")
    async with serving(**state) as coordinator, coordinator.client() as client:
        assert (await client.register(WORKER)).worker_id == "w"
    assert (tmp_path / "registry.malformed").read_text() == "nonsense\n"


async def test_a_catalogue_of_ones_own_and_a_wrong_one(tmp_path: Path) -> None:
    catalog = tmp_path / "services.toml"
    catalog.write_text('[services.speech]\nrequires = "gpu"\nport = 8200\n')
    given = {**LOOPBACK, "COORDINATOR_CATALOG": str(catalog)}
    async with serving(**given) as coordinator, coordinator.client() as client:
        registration = Registration.model_validate({"worker_id": "g", "capabilities": {"worker_type": "gpu"}})
        answer = await client.register(registration)
        assert [(config.name, config.port) for config in answer.service_configs] == [("speech", 8200)]
        assert [row["service"] for row in (await client.read("/api/admin/gaps"))["gaps"]] == ["speech"]
    catalog.write_text('[services.speech]\nrequires = "tpu"\nport = 8200\n')
    code, out, err = await run("serve", **given)
    assert (code, out, err.count("\n")) == (78, "", 1)
    assert "services.speech.requires" in err


async def test_a_wrong_store_is_refused_before_the_start_and_its_secret_is_not_shown() -> None:
    code, out, err = await run("serve", **LOOPBACK, SHARED_STORE_URL="redis+cluster://:s3cret@h1,h2/3")
    assert (code, out, err.count("\n")) == (78, "", 1)
    assert "SHARED_STORE_URL: names a database" in err
    assert "s3cret" not in err


async def test_a_process_that_stood_still_calls_nobody_dead() -> None:
    """SIGSTOP for longer than a lease; then a heartbeat that had waited."""
    quick = {**LOOPBACK, "COORDINATOR_HEARTBEAT_INTERVAL": "0.5"}
    async with serving(**quick) as coordinator, coordinator.client() as client:
        await client.register(WORKER)
        os.kill(coordinator.child, signal.SIGSTOP)
        try:
            await asyncio.sleep(2.5)
        finally:
            os.kill(coordinator.child, signal.SIGCONT)
        assert (await client.heartbeat(Heartbeat(worker_id="w"))).assigned_services == ["rag-embeddings"]
        records = (await client.read("/api/admin/workers"))["workers"]
        assert [record["status"] for record in records] == ["healthy"]


async def test_with_a_key_in_a_file(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("s3cret\n")
    async with serving(API_KEY_FILE=str(key)) as coordinator:
        async with coordinator.client() as client:
            with pytest.raises(CoordinatorError) as refused:
                await client.register(WORKER)
            assert refused.value.status == 403
            assert (await client.read("/api/admin/gaps"))["summary"]["total_services"] == 14
        async with coordinator.client("s3cret") as client:
            assert (await client.register(WORKER)).worker_id == "w"


async def test_an_open_door_is_refused_with_a_hint() -> None:
    code, out, err = await run("serve")
    assert (code, out) == (78, "")
    assert err.count("\n") == 1
    assert "COORDINATOR_OPEN=true" in err


async def test_a_taken_port_is_said_in_a_line() -> None:
    async with serving(**LOOPBACK) as coordinator:
        port = coordinator.url.rpartition(":")[2]
        code, _, err = await run("serve", **LOOPBACK, COORDINATOR_PORT=port)
    assert code == 1
    assert port in err
    assert err.count("\n") == 1


async def test_help_and_version() -> None:
    code, out, _ = await run("serve", "--help")
    assert code == 0
    assert "COORDINATOR_HEARTBEAT_INTERVAL" in out
    code, out, _ = await run("version")
    assert (code, out.split()[0]) == (0, "coordinator")
    assert (await run("nonsense"))[0] == 2
