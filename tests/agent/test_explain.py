"""`coordinator agent --explain` as a process, and the dial-back that it asks for."""

import asyncio
import os
import sys
from pathlib import Path

from coordinator.agent.dialback import dial_back
from edgeproxy.cluster.client import CoordinatorClient
from edgeproxy.cluster.messages import DialBack
from edgeproxy.runtime.sockets import Bind
from tests.agent.standin import Coordinator
from tests.e2e.processes import free_port


async def explained(**variables: str) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AGENT_", "WORKER_", "COORDINATOR_"))}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "coordinator", "agent", "--explain", env={**clean, **variables}, stdout=-1
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


async def test_each_check_has_its_reason(coordinator: Coordinator) -> None:
    text = await explained(COORDINATOR_URL=coordinator.url, WORKER_TYPE="cpu", AGENT_EXPOSE="reverse,tunnel")
    assert f"coordinator     {coordinator.url} answers\n" in text
    assert "WORKER_TYPE     yes set to cpu\n" in text
    assert " ms to the coordinator, below 50\n" in text
    assert "dialled back    no  it was not tried: the coordinator does not dial back\n" in text
    assert "worker type     cpu\n" in text
    assert "no   reverse: no edge proxy is known: set AGENT_EDGES\n" in text
    assert "no   tunnel: cloudflared is not installed, or not in PATH\n" in text
    assert "direct" not in text.partition("ways")[2].partition("services")[0]
    assert "yes  edge-proxy\n" in text
    assert coordinator.registrations == []  # it changes nothing


async def test_without_a_coordinator_and_without_what_services_need(tmp_path: Path) -> None:
    file = tmp_path / "services.toml"
    file.write_text('[services.a]\ncommand = ["no-such-program"]\n[services.b]\ncommand = ["sh"]\nneeds.cores = 4000\n')
    text = await explained(
        COORDINATOR_URL="http://127.0.0.1:1", AGENT_SERVICES_FILE=str(file), AGENT_HOURS="mon-sun 00:00-24:00"
    )
    assert "coordinator     does not answer: http://127.0.0.1:1 cannot be asked: Connection refused\n" in text
    assert "no   a: no-such-program is not installed, or not in PATH\n" in text
    assert "no   b: the machine lacks 4000 cores\n" in text
    assert text.endswith("lent at this moment\n")


async def test_dial_back_proves_that_we_listen(client_of_real_coordinator: CoordinatorClient) -> None:
    seen = await dial_back(client_of_real_coordinator, Bind("127.0.0.1", 0))
    assert (seen.address, seen.reachable, seen.reason) == ("127.0.0.1", True, "it answered")


async def test_a_port_in_use_cannot_be_reached(client_of_real_coordinator: CoordinatorClient) -> None:
    port = free_port()
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", port)
    async with server:
        seen = await dial_back(client_of_real_coordinator, Bind("127.0.0.1", port))
    assert seen.reachable is False
    assert "another program uses it" in seen.reason


async def test_somebody_elses_listener_is_not_us(client_of_real_coordinator: CoordinatorClient) -> None:
    async def impostor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()

    async with await asyncio.start_server(impostor, "127.0.0.1", 0) as server:
        question = DialBack(port=server.sockets[0].getsockname()[1], nonce="n" * 32)
        seen = await client_of_real_coordinator.dial_back(question)
    assert (seen.reachable, seen.reason) == (False, "somebody else listens there")
    nobody = await client_of_real_coordinator.dial_back(DialBack(port=1, nonce="n" * 32))
    assert (nobody.reachable, nobody.reason) == (False, "the connection was refused or broken")
