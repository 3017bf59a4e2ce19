import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest


async def demo(directory: Path, **environment: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "coordinator.demo"),
        env=os.environ | {"DEMO_DIRECTORY": str(directory)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        out, error = await process.communicate()
    return process.returncode, out.decode(), error.decode()


@pytest.mark.parametrize("variable", ["EDGEPROXY_PORT", "DEMO_BALANCER_PORT", "COORDINATOR_PORT"])
async def test_a_port_in_use_is_one_line_and_exit_1(tmp_path: Path, variable: str) -> None:
    with socket.socket() as taken, socket.socket() as other:
        for probe in (taken, other):
            probe.bind(("127.0.0.1", 0))
        taken.listen()
        free, used = str(other.getsockname()[1]), taken.getsockname()[1]
        other.close()
        code, _, error = await demo(tmp_path, **{"COORDINATOR_PORT": free, variable: str(used)})
    assert (code, error.count("\n")) == (1, 1)
    assert f"port {used} (" in error
    assert variable in error
    assert list((tmp_path / "logs").glob("coordinator*")) == []  # nothing was started


@pytest.mark.parametrize(
    ("variable", "value"),
    [("EDGEPROXY_PORT", "many"), ("DEMO_BALANCER_PORT", "0"), ("DEMO_TOKEN_DELAY", "-1"), ("DEMO_PORT", "1")],
)
async def test_a_wrong_variable_is_one_line_and_exit_78(tmp_path: Path, variable: str, value: str) -> None:
    code, _, error = await demo(tmp_path, **{variable: value})
    assert (code, error.count("\n")) == (78, 1)
    assert variable in error


async def test_a_directory_that_cannot_be_written_is_exit_1(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, error = await demo(tmp_path / "file")
    assert (code, error.count("\n")) == (1, 1)
    assert "DEMO_DIRECTORY" in error
