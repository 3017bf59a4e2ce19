import asyncio
import gzip
import io
import os
import signal
import socket
import sys

import pytest
from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError, web
from pydantic import BaseModel

from coordinator.demo import service

from .conftest import Start


class Shape(BaseModel):
    name: str


def echoing() -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        return service.json_response((await service.read_json(request, Shape)).model_dump())

    app = service.application("test-service")
    app.router.add_post("/v1/thing", handler)
    app.router.add_post("/thing", handler)
    return app


async def test_health_names_the_service(start: Start, session: ClientSession) -> None:
    async with session.get(await start(echoing()) + "/health") as response:
        assert await response.json() == {"status": "healthy", "service": "test-service"}


async def test_echo_returns_text_and_bytes(start: Start, session: ClientSession) -> None:
    async with session.ws_connect(await start(echoing()) + "/echo") as peer:
        await peer.send_str("grüße")
        assert await peer.receive_str(timeout=5) == "grüße"
        await peer.send_bytes(bytes(range(256)))
        assert await peer.receive_bytes(timeout=5) == bytes(range(256))


async def test_echo_refuses_a_message_that_is_too_large(start: Start, session: ClientSession) -> None:
    async with session.ws_connect(await start(echoing()) + "/echo") as peer:
        await peer.send_bytes(bytes(service.ECHO_MESSAGE + 1))
        closing = await peer.receive(timeout=5)
    assert (closing.type, closing.data) == (WSMsgType.CLOSE, 1009)


async def test_echo_bounds_the_open_sockets(
    start: Start, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ECHO_SOCKETS", 1)
    url = await start(echoing()) + "/echo"
    async with session.ws_connect(url):
        with pytest.raises(WSServerHandshakeError) as caught:
            await session.ws_connect(url)
        assert caught.value.status == 503
    async with session.ws_connect(url) as again:  # the place is free again
        await again.send_str("x")
        assert await again.receive_str(timeout=5) == "x"


async def test_echo_without_an_upgrade_is_a_400(start: Start, session: ClientSession) -> None:
    async with session.get(await start(echoing()) + "/echo") as response:
        assert response.status == 400
        assert "Upgrade" in (await response.json())["detail"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"{", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b'{"name": "\\ud800"}', {}, 400),
        (b'{"name": NaN}', {}, 400),
        (b'{"name": "\xff"}', {}, 400),
        (b'{"name": 1}', {}, 400),
        (b"null", {}, 400),
        (b"x" * (service.JSON_BODY + 1), {}, 413),
        (gzip.compress(b" " * (service.JSON_BODY + 1)), {"Content-Encoding": "gzip"}, 413),
        (b"not gzip", {"Content-Encoding": "gzip"}, 400),
    ],
)
@pytest.mark.parametrize("path", ["/v1/thing", "/thing"])
async def test_a_bad_body_is_the_clients_fault(
    start: Start, session: ClientSession, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    url = await start(echoing()) + path
    async with session.post(url, data=io.BytesIO(body), headers=headers) as response:
        answer = await response.json()
    assert response.status == status
    assert isinstance(answer["error"]["message"] if path.startswith("/v1/") else answer["detail"], str)


async def test_a_body_that_never_comes_is_timed_out(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BODY_TIMEOUT", 0.05)
    port = int((await start(echoing())).rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /v1/thing HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
    async with asyncio.timeout(5):
        assert b" 408 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_unknown_paths_and_methods_keep_the_shape(start: Start, session: ClientSession) -> None:
    url = await start(echoing())
    async with session.get(f"{url}/v1/none") as response:
        assert (response.status, (await response.json())["error"]["code"]) == (404, None)
    async with session.get(f"{url}/thing") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
        assert "detail" in await response.json()


async def test_slots_refuse_beyond_the_limit_and_come_back() -> None:
    slots = service.Slots(1, "jobs")
    with slots.hold(), pytest.raises(service.Refusal) as caught, slots.hold():
        pass
    assert (caught.value.status, caught.value.retry_after, slots.used) == (503, 1, 0)


async def command(port: int, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "coordinator.demo.llm", "--port", str(port)),
        env=os.environ | environment,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_sigterm_lets_a_stream_end_and_then_exits_0(session: ClientSession) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await command(port, DEMO_TOKEN_DELAY="0.02")
    assert process.stderr is not None
    async with asyncio.timeout(20):
        assert b"listens" in await process.stderr.readline()
        body = {"messages": [{"role": "user", "content": "rent"}], "stream": True, "max_tokens": 20}
        async with session.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body) as response:
            await response.content.readline()
            process.send_signal(signal.SIGTERM)
            rest = await response.read()
        assert rest.endswith(b"data: [DONE]\n\n")
        assert await process.wait() == 0


async def test_a_port_in_use_is_one_line_and_exit_1() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = await command(port := taken.getsockname()[1])
        async with asyncio.timeout(20):
            _, stderr = await process.communicate()
    assert process.returncode == 1
    assert stderr.count(b"\n") == 1
    assert f"127.0.0.1:{port}".encode() in stderr


async def test_a_wrong_delay_is_bad_configuration() -> None:
    process = await command(0, DEMO_TOKEN_DELAY="soon")
    async with asyncio.timeout(20):
        _, stderr = await process.communicate()
    assert process.returncode == 78
    assert b"DEMO_TOKEN_DELAY" in stderr
