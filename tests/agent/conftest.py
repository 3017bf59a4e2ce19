import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from coordinator.api.app import build_app
from coordinator.api.state import State, new_worker_id
from coordinator.registry import Registry
from edgeproxy.cluster.client import CoordinatorClient
from tests.agent.standin import Agent, Coordinator

StartAgent = Callable[..., Awaitable[Agent]]

HTTP = str(Path(__file__).with_name("service.py"))


@pytest.fixture
async def coordinator() -> AsyncIterator[Coordinator]:
    async with Coordinator() as coordinator:
        yield coordinator


@pytest.fixture
async def start(coordinator: Coordinator, tmp_path: Path) -> AsyncIterator[StartAgent]:
    """Start an agent; `services` maps names to the extra words of the test service's command."""
    agents: list[Agent] = []

    async def start_one(services: dict[str, list[str]] | None = None, **environment: str) -> Agent:
        tables = [
            f"[services.{name}]\ncommand = {[sys.executable, HTTP, '{host}', '{port}', *words]}\n"
            f"start_timeout = 20\nstop_timeout = 600\nenv = {{ WHO = '{{name}}', KEY = '{{api_key}}' }}\n"
            for name, words in (services or {"document-processing": [], "notes-coa": []}).items()
        ]
        file = tmp_path / "services.toml"
        file.write_text("\n".join(tables))
        environment = {"COORDINATOR_URL": coordinator.url, "AGENT_SERVICES_FILE": str(file), **environment}
        agents.append(await Agent.start(environment))
        return agents[-1]

    yield start_one
    for agent in agents:
        await agent.close()


@pytest.fixture
async def client_of_real_coordinator() -> AsyncIterator[CoordinatorClient]:
    """One that dials back."""
    state = State(Registry(heartbeat_interval=1.0, new_id=new_worker_id))
    runner = web.AppRunner(build_app(state), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with CoordinatorClient(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
        yield client
    await runner.cleanup()
