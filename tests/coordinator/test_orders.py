"""The operator's commands, against a coordinator that runs."""

import asyncio
from pathlib import Path

import orjson
import pytest

from edgeproxy.cluster.client import CoordinatorError
from tests.coordinator.test_serve import LOOPBACK, WORKER, run, serving, spawn


async def test_an_operators_day(tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    async with serving(**LOOPBACK, API_KEY="s3cret", COORDINATOR_ADMIN_KEY="boss") as coordinator:
        async with coordinator.client("s3cret") as client:
            await client.register(WORKER)
        url = {"COORDINATOR_URL": coordinator.url}
        code, _, err = await run("drain", "w", **url, API_KEY="s3cret")
        assert (code, err.count("\n")) == (1, 1)
        assert "403" in err
        boss = {**url, "COORDINATOR_ADMIN_KEY": "boss"}
        code, out, _ = await run("drain", "w", **boss)
        assert (code, out) == (0, "w is drained: its services move to others\n")
        code, out, _ = await run("workers", "--json", **url)
        assert orjson.loads(out)["workers"][0]["state"] == "draining"
        code, out, _ = await run("events", "--json", **url)
        assert orjson.loads(out.partition("\n")[0])["kind"] == "registered"
        assert (await run("events", **url))[0] == 0
        assert (await run("export", str(file), **boss))[0] == 0
        code, out, _ = await run("verify", str(file))
        assert (code, orjson.loads(out)["workers"][0]["worker_id"]) == (0, "w")
        assert (await run("remove", "w", **boss))[0] == 0
        code, _, err = await run("remove", "w", **boss)
        assert (code, "404" in err) == (1, True)
    file.write_bytes(file.read_bytes().replace(b"draining", b"healthy"))
    code, _, err = await run("verify", str(file))
    assert (code, err.count("\n")) == (1, 1)
    assert "changed" in err


async def test_watching(tmp_path: Path) -> None:
    async with serving(**LOOPBACK) as coordinator, coordinator.client() as client:
        process = await spawn("events", "--json", "--watch", "--last", "0", COORDINATOR_URL=coordinator.url)
        assert process.stdout is not None
        try:
            async with asyncio.timeout(20):
                while True:  # it watches from some moment on
                    await client.register(WORKER)
                    try:
                        async with asyncio.timeout(0.5):
                            line = await process.stdout.readline()
                            break
                    except TimeoutError:
                        continue
            assert orjson.loads(line)["worker_id"] == "w"
        finally:
            process.kill()
            await process.communicate()
        with pytest.raises(CoordinatorError) as refused:
            await client.order("drain", "ghost")
        assert refused.value.status == 404
