"""What every demo service shares: health, WebSocket echo, error bodies, bounds on input, start and drain.

Errors are `{"error": {"message", "type", "param", "code"}}` on /v1/* (the shape of OpenAI's API) and
`{"detail": ...}` elsewhere. Exit codes: 0 after a drain, 1 when the port cannot be had, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar

import orjson
import uvloop
from aiohttp import WSCloseCode, WSMsgType, web
from pydantic import BaseModel, ValidationError

JSON_BODY = 1024 * 1024  # bytes of a JSON request
BODY_TIMEOUT = 30.0  # seconds for a JSON body to arrive
DRAIN_TIMEOUT = 8.0  # seconds for requests in flight after SIGTERM; the launcher gives a service 10
ECHO_MESSAGE = 1024 * 1024  # bytes of one WebSocket message
ECHO_SOCKETS = 256  # open at once
ECHO_HEARTBEAT = 30.0  # seconds between pings; a peer that does not answer is gone

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Body = TypeVar("Body", bound=BaseModel)
log = logging.getLogger("coordinator.demo")

_NAME = web.AppKey("name", str)
_SOCKETS: web.AppKey[set[web.WebSocketResponse]] = web.AppKey("sockets", set)


class Refusal(Exception):
    """A request that is answered with an error; `param` names the wrong field, `code` is for programs."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code, self.retry_after = (
            status,
            message,
            param,
            code,
            retry_after,
        )


class Slots:
    """A bound on what is worked at once: beyond it requests are refused with 503, not queued."""

    def __init__(self, limit: int, what: str) -> None:
        self.limit, self.used, self._what = limit, 0, what

    @contextmanager
    def hold(self) -> Iterator[None]:
        if self.used >= self.limit:
            raise Refusal(
                503,
                f"{self.limit} {self._what} are under way; try again soon",
                code="overloaded",
                retry_after=1,
            )
        self.used += 1
        try:
            yield
        finally:
            self.used -= 1


def application(name: str, *, body_limit: int = JSON_BODY) -> web.Application:
    """An app with /health, /echo and the error shapes; the service adds its own routes."""
    app = web.Application(middlewares=[_errors], client_max_size=body_limit)
    app[_NAME] = name
    app[_SOCKETS] = set()
    app.router.add_get("/health", _health)
    app.router.add_get("/echo", _echo)
    app.on_shutdown.append(_close_sockets)
    return app


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, headers=headers, content_type="application/json")


async def read_json(request: web.Request, shape: type[Body]) -> Body:
    """The body as `shape`; or Refusal 400, which names the first wrong field, 408 or 413."""
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            raw = await request.read()
    except TimeoutError:
        raise Refusal(408, f"the body did not arrive within {BODY_TIMEOUT:.0f} seconds") from None
    except web.RequestPayloadError as error:
        raise Refusal(400, f"the body could not be read: {error}") from None
    try:
        return shape.model_validate(orjson.loads(raw))
    except orjson.JSONDecodeError as error:
        raise Refusal(400, f"the body is not JSON: {error}", code="invalid_json") from None
    except ValidationError as error:
        raise _invalid(error) from None


def run(build: Callable[[], web.Application], name: str, default_port: int) -> None:
    """The command line of a service: serve until SIGTERM or SIGINT, then drain."""
    parser = argparse.ArgumentParser(description=f"The demo service {name}.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=default_port, help="port to listen on (default %(default)s)")
    where = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        web.run_app(
            build(),
            host=where.host,
            port=where.port,
            shutdown_timeout=DRAIN_TIMEOUT,
            access_log=None,
            print=lambda *_: log.info("%s listens on %s:%d", name, where.host, where.port),
            loop=uvloop.new_event_loop(),
            handler_cancellation=True,  # when the client leaves, the work for it stops
        )
    except (OSError, OverflowError) as error:
        sys.exit(f"{name}: cannot listen on {where.host}:{where.port}: {error}; choose another --host or --port")


def error_response(request: web.Request, refusal: Refusal) -> web.Response:
    headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    if not request.path.startswith("/v1/"):
        return json_response({"detail": refusal.message}, refusal.status, headers)
    kind = "server_error" if refusal.status >= 500 else "invalid_request_error"
    error = {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code}
    return json_response({"error": error}, refusal.status, headers)


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refusal as refusal:
        return error_response(request, refusal)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        response = error_response(request, Refusal(error.status, _explain(request, error)))
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response


def _explain(request: web.Request, error: web.HTTPException) -> str:
    if error.status in (404, 405):
        return f"{HTTPStatus(error.status).phrase}: {request.method} {request.path}"
    return error.text or error.reason


def _invalid(error: ValidationError) -> Refusal:
    deepest = max(error.errors(include_url=False), key=lambda found: len(found["loc"]))  # of a union, the one meant
    param = ".".join(str(part) for part in deepest["loc"] if _is_field(part)) or None
    return Refusal(400, f"{param or 'the body'}: {deepest['msg']}", param=param, code=deepest["type"])


def _is_field(part: int | str) -> bool:
    """Whether a step of pydantic's path is one in the request; the others name a branch of a union."""
    return isinstance(part, int) or (part.isidentifier() and part != "str")


async def _health(request: web.Request) -> web.Response:
    return json_response({"status": "healthy", "service": request.app[_NAME]})


async def _echo(request: web.Request) -> web.WebSocketResponse:
    sockets = request.app[_SOCKETS]
    if len(sockets) >= ECHO_SOCKETS:
        raise Refusal(503, f"{ECHO_SOCKETS} WebSockets are open; try again soon", retry_after=1)
    socket = web.WebSocketResponse(max_msg_size=ECHO_MESSAGE, heartbeat=ECHO_HEARTBEAT)
    await socket.prepare(request)
    sockets.add(socket)
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
    finally:
        sockets.discard(socket)
    return socket


async def _close_sockets(app: web.Application) -> None:
    sockets = app[_SOCKETS]
    closing = [socket.close(code=WSCloseCode.GOING_AWAY, message=b"the service stops") for socket in sockets]
    await asyncio.gather(*closing)
