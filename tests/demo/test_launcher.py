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


PORTS = ("EDGEPROXY_PORT", "DEMO_BALANCER_PORT", "COORDINATOR_PORT")


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses, nor those 1000 above, where the admin listeners go."""
    found: list[int] = []
    for port in range(20_100, 60_000, 37):
        with socket.socket() as public, socket.socket() as admin:
            try:
                public.bind(("127.0.0.1", port))
                admin.bind(("127.0.0.1", port + 1000))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            break
    return found


@pytest.mark.parametrize("variable", PORTS)
async def test_a_port_in_use_is_one_line_and_exit_1(tmp_path: Path, variable: str) -> None:
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports[variable]))
        taken.listen()
        code, _, error = await demo(tmp_path, **{name: str(port) for name, port in ports.items()})
    assert (code, error.count("\n")) == (1, 1)
    assert f"port {ports[variable]} (" in error
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
