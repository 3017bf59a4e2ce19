"""A coordinator under test, with clocks that the test moves."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp.test_utils import TestClient, TestServer

from coordinator.api.app import build_app
from coordinator.api.state import State
from coordinator.registry import Now, Registry

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Clock:
    """Stands still until it is told to move."""

    monotonic: float = 1000.0
    wall: datetime = START
    ids: int = field(default=0)

    def __call__(self) -> Now:
        return Now(self.monotonic, self.wall)

    def move(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += timedelta(seconds=seconds)

    def new_id(self) -> str:
        self.ids += 1
        return f"worker-{self.ids}"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(clock: Clock) -> Registry:
    return Registry(heartbeat_interval=10.0, new_id=clock.new_id)


@pytest.fixture
def state(registry: Registry, clock: Clock) -> State:
    return State(registry, clock=clock)


@pytest.fixture
async def client(state: State) -> AsyncIterator[TestClient]:
    async with TestClient(TestServer(build_app(state))) as client:
        yield client
