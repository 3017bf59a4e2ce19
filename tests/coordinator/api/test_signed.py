"""The client with a signer against a coordinator, in both ways in: aiohttp's and the lane's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from coordinator.api.app import build_app
from coordinator.api.lane import HALF, Lanes
from coordinator.api.state import State
from edgeproxy.cluster.client import CoordinatorClient, CoordinatorError
from edgeproxy.cluster.messages import Heartbeat, Registration
from edgeproxy.cluster.signer import Signer

WORKER = Registration(worker_id="w", tunnel_url="http://w:8000", capabilities={"worker_type": "gpu"})
BEAT = Heartbeat(worker_id="w", current_load=0.5)


@asynccontextmanager
async def lanes_of(state: State) -> AsyncIterator[tuple[Lanes, str]]:
    runner = web.AppRunner(build_app(state), access_log=None)
    await runner.setup()
    assert runner.server is not None
    lanes = Lanes(state, runner.server)
    server = await asyncio.get_running_loop().create_server(lanes.new, "127.0.0.1", 0)
    try:
        yield lanes, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        lanes.close_resting()
        await runner.cleanup()


@pytest.fixture
async def lanes(state: State) -> AsyncIterator[tuple[Lanes, str]]:
    async with lanes_of(state) as lanes:
        yield lanes


def signer() -> Signer:
    return Signer(Ed25519PrivateKey.generate())


async def status_of(call: object) -> int | None:
    with pytest.raises(CoordinatorError) as caught:
        await call  # type: ignore[misc]
    return caught.value.status


async def test_a_signed_life(lanes: tuple[Lanes, str], state: State) -> None:
    state.api_key = "s3cret"
    async with CoordinatorClient(lanes[1], "s3cret", signer=signer()) as client:
        answer = await client.register(WORKER)
        assert answer.session is not None
        for _ in range(3):
            assert (await client.heartbeat(BEAT)).assigned_services == answer.assigned_services
            await client.read("/api/admin/gaps")  # aiohttp's turn, on the same connection
        assert len(lanes[0].open) == 1
        (lane,) = lanes[0].open
        assert (lane.beats_of, lane._handed_over) == ("w", False)
        assert state.registry.workers["w"].credential is not None
        (record,) = (await client.read("/api/coordinator/workers"))["workers"]
        assert record["signed"] is True
        await client.unregister("w")
    assert state.registry.workers == {}
    assert len(state.gate.sessions) == 0


async def test_a_request_that_drips_is_ended(lanes: tuple[Lanes, str]) -> None:
    """Each byte comes in time, and the request would be whole in a week."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(lanes[1].rpartition(":")[2]))
    writer.write(b"POST /v1/heartbeat HTTP/1.1\r\nHost: a\r\n")
    await writer.drain()
    while not lanes[0].open or not next(iter(lanes[0].open))._data:
        await asyncio.sleep(0.005)
    (lane,) = lanes[0].open
    began = lane._half_since
    writer.write(b"X")
    await writer.drain()
    while not lane._data.endswith(b"X"):
        await asyncio.sleep(0.005)
    assert lane._half_since == began
    lane.end_if_idle(began + HALF - 1)
    assert lane in lanes[0].open
    lane.end_if_idle(began + HALF + 1)
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_nobody_else_speaks_for_a_worker_that_signs(lanes: tuple[Lanes, str]) -> None:
    url = lanes[1]
    async with (
        CoordinatorClient(url, signer=signer()) as client,
        CoordinatorClient(url) as old,
        CoordinatorClient(url, signer=signer()) as thief,
    ):
        await client.register(WORKER)
        assert await status_of(old.register(WORKER)) == 403
        assert await status_of(old.heartbeat(BEAT)) == 401
        assert await status_of(thief.register(WORKER)) == 403
        await thief.register(WORKER.model_copy(update={"worker_id": "thief"}))
        assert await status_of(thief.heartbeat(BEAT)) == 403
        assert await status_of(thief.unregister("w")) == 403  # its proof is for its own session
        await client.heartbeat(BEAT)


async def test_a_coordinator_that_forgot_everything_is_told_again(clock: object, state: State) -> None:
    async with lanes_of(state) as (_, url), CoordinatorClient(url, signer=signer()) as client:
        await client.register(WORKER)
        state.gate.sessions.close("w")  # as after its restart, with the record from a snapshot
        assert await status_of(client.heartbeat(BEAT)) == 404
        await client.register(WORKER)
        await client.heartbeat(BEAT)


async def test_the_worker_of_a_connection_that_breaks_is_doubted(
    lanes: tuple[Lanes, str], state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = []
    monkeypatch.setattr(type(state.registry), "broken", lambda self, worker_id, now: broken.append(worker_id))
    async with CoordinatorClient(lanes[1], signer=signer()) as client:
        await client.register(WORKER)
        await client.heartbeat(BEAT)
        (lane,) = lanes[0].open
        assert lane._transport is not None
    async with CoordinatorClient(lanes[1]) as reader:  # by now the end of the first connection was seen
        await reader.read("/health")
    assert broken == ["w"]


async def test_an_unsigned_worker_from_elsewhere_is_refused_with_what_to_do(
    lanes: tuple[Lanes, str], state: State
) -> None:
    state.api_key = "s3cret"
    state.unsigned = lambda caller: False
    async with CoordinatorClient(lanes[1], "s3cret") as old:
        with pytest.raises(CoordinatorError, match="COORDINATOR_UNSIGNED") as caught:
            await old.register(WORKER)
        assert caught.value.status == 401
