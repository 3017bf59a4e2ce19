"""What coordinators ask each other: exchanges, the directory, certificates; and a ping for whoever chooses one."""

from typing import Final

from aiohttp import web

from coordinator.api.answers import fail, json_answer
from coordinator.api.describe import described
from coordinator.api.middleware import guards_itself
from coordinator.api.state import STATE
from coordinator.federation import wire
from coordinator.federation.messages import MAX_EXCHANGE
from coordinator.federation.node import Refused
from coordinator.federation.shell import Shell
from edgeproxy.cluster.homes.trust import Untrusted

SHELL: Final = web.AppKey("shell", Shell)
MAX_REQUEST: Final = 4096
routes = web.RouteTableDef()


@routes.get("/v1/ping")
@described("For measuring how near we are", {"workers": "integer", "accept_rate": "number", "load": "number"})
async def ping(request: web.Request) -> web.Response:
    state = request.app[STATE]
    registry = state.registry
    shell = request.app.get(SHELL)
    return json_answer(
        {
            "coordinator": state.gate.keys.name,
            "workers": len(registry.workers),
            "accept_rate": shell.node.accept_rate if shell else 0.0,
            "load": round(registry.pace.load, 3),
            "draining": state.draining,
        },
        headers={"Cache-Control": "no-store"},
    )


@routes.post(wire.EXCHANGE_PATH)
@described("Another coordinator's changes, signed", {"sender": "string", "records": "array"}, who="operator")
@guards_itself
async def exchange(request: web.Request) -> web.Response:
    shell = _shell(request)
    body = await _read(request, MAX_EXCHANGE)
    try:
        content, headers = shell.receive(request.headers.get(wire.SIGNATURE), body)
    except wire.Forged as error:
        fail(401, str(error))
    except Refused as refused:
        if refused.boot:
            return json_answer({"detail": refused.reason, "boot": refused.boot}, status=409)
        fail(429 if refused.reason == "throttled" else 403, f"the exchange is refused: {refused.reason}")
    except ValueError as error:
        fail(400, str(error))
    return web.Response(body=content, headers=headers, content_type="application/json")


@routes.get(wire.DIRECTORY_PATH)
@described("The coordinators, signed", {"bundle": "object", "certificates": "array"})
async def directory(request: web.Request) -> web.Response:
    return web.Response(body=_shell(request).roster.directory.dump(), content_type="application/json")


@routes.post(wire.RENEW_PATH)
@described("Another day's certificate for a coordinator that was admitted", {"payload": "string"}, who="operator")
@guards_itself
async def renew(request: web.Request) -> web.Response:
    shell = _shell(request)
    body = await _read(request, MAX_REQUEST)
    try:
        name = wire.opened(request.headers.get(wire.SIGNATURE), body)
        signed = shell.roster.certify(name, body, request.app[STATE].clock().wall.timestamp())
    except wire.Forged as error:
        fail(401, str(error))
    except Untrusted as error:
        fail(403, str(error))
    return web.Response(body=signed, content_type="application/json")


def _shell(request: web.Request) -> Shell:
    shell = request.app.get(SHELL)
    if shell is None:
        fail(404, "this coordinator is in no federation: COORDINATOR_FEDERATION is not set")
    return shell


async def _read(request: web.Request, most: int) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > most:
            fail(413, f"the body is longer than {most} bytes", {"Connection": "close"})
    return bytes(body)
