"""A small worker for the end-to-end tests, run as a process of its own: `python -m tests.e2e.backend PORT NAME`."""

from __future__ import annotations

import asyncio
import hashlib
import sys

from aiohttp import web

cancelled: list[str] = []
fresh_answers: list[str] = []


async def who(request: web.Request) -> web.Response:
    return web.json_response({"name": request.app[NAME], "path": request.raw_path, "headers": dict(request.headers)})


async def echo(request: web.Request) -> web.Response:
    """What came, by size and digest, read as it comes."""
    digest = hashlib.sha256()
    size = 0
    async for piece in request.content.iter_any():
        digest.update(piece)
        size += len(piece)
    return web.json_response({"name": request.app[NAME], "size": size, "sha256": digest.hexdigest()})


async def events(request: web.Request) -> web.StreamResponse:
    """`count` events, `pause` seconds apart; notes when the client leaves before the end."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    try:
        for number in range(int(request.query.get("count", "5"))):
            await response.write(b"data: %d\n\n" % number)
            await asyncio.sleep(float(request.query.get("pause", "0.05")))
    except (asyncio.CancelledError, ConnectionError):
        cancelled.append(request.query.get("id", ""))
        raise
    return response


async def was_cancelled(request: web.Request) -> web.Response:
    return web.json_response(request.query["id"] in cancelled)


async def sleep(request: web.Request) -> web.Response:
    await asyncio.sleep(float(request.match_info["seconds"]))
    return web.json_response({"name": request.app[NAME]})


async def some_bytes(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"\xa5" * int(request.match_info["count"]))


async def fresh(request: web.Request) -> web.Response:
    """Another answer each time, that may be kept for ten seconds."""
    fresh_answers.append(request.raw_path)
    return web.Response(text=str(len(fresh_answers)), headers={"Cache-Control": "max-age=10"})


async def cut(request: web.Request) -> web.StreamResponse:
    """Promise 1000 bytes, send 10, and go."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"0123456789")
    assert request.transport is not None
    request.transport.abort()
    return response


async def websocket(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is web.WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is web.WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket


NAME = web.AppKey("name", str)


def application(name: str) -> web.Application:
    app = web.Application(client_max_size=1024**3)
    app[NAME] = name
    app.add_routes(
        [
            web.get("/health", who),
            web.post("/echo", echo),
            web.put("/echo", echo),
            web.get("/events", events),
            web.get("/cancelled", was_cancelled),
            web.get("/sleep/{seconds}", sleep),
            web.get("/bytes/{count}", some_bytes),
            web.get("/cut", cut),
            web.get("/fresh", fresh),
            web.get("/ws", websocket),
            web.route("*", "/{rest:.*}", who),
        ]
    )
    return app


if __name__ == "__main__":
    web.run_app(
        application(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        print=None,
        access_log=None,
        handler_cancellation=True,
        keepalive_timeout=75,
        shutdown_timeout=1,
    )
