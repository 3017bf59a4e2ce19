"""Small values that machines of the fleet leave for each other (`keyvalues`): who may join may read and write them, an
operator removes one that hinders."""

import re
from typing import Any, Final

from aiohttp import web

from coordinator import keyvalues
from coordinator.api import guard
from coordinator.api.agents import understand
from coordinator.api.answers import fail, json_answer
from coordinator.api.bodies import call_of, read_call
from coordinator.api.calls import Call, Problem
from coordinator.api.describe import ANYTHING, described
from coordinator.api.middleware import guards_itself
from coordinator.api.state import STATE, State
from edgeproxy.cluster.messages import Message

routes = web.RouteTableDef()

PLACES: Final = {"key": {"type": "string", "pattern": keyvalues.KEY}}
_VERSION: Final = re.compile(r'"([0-9]{1,15})"')


class Value(Message):
    """PUT /api/kv/{key}."""

    value: Any
    if_not_exists: bool = False


@routes.get("/api/kv/{key}")
@described("A value that a machine left, as it is", ANYTHING, who="worker", places=PLACES)
async def read(request: web.Request) -> web.Response:
    """Its ETag, shown as If-Match, lets a writer change only what it has read."""
    state, call = request.app[STATE], call_of(request)
    _check(state, call)
    found = state.keys.get(_key(request))
    if found is None:
        raise Problem(404, "there is no such value", error="Key not found")
    headers = {"ETag": f'"{found[0]}"', "Cache-Control": "no-store"}
    return web.Response(body=found[1], content_type="application/json", headers=headers)


@routes.put("/api/kv/{key}")
@described("Leave a value", {"status": "string"}, body=Value, who="worker", creates=True, places=PLACES)
@guards_itself
async def write(request: web.Request) -> web.Response:
    state, call = request.app[STATE], await read_call(request)
    _check(state, call)
    key, asked = _key(request), understand(call, Value)
    try:
        new = state.keys.put(key, asked.value, new=asked.if_not_exists, version=_version(call))
    except keyvalues.Conflict:
        if asked.if_not_exists:
            raise Problem(409, "there is such a value already", error="Key already exists") from None
        fail(412, "the value has changed since it was read")
    except keyvalues.TooLong:
        fail(413, f"value: longer than {keyvalues.MAX_VALUE} bytes")
    except keyvalues.Full:
        fail(507, f"{keyvalues.MOST} values are there, no more are kept")
    return json_answer({"status": "ok", "key": key}, status=201 if new else 200)


@routes.delete("/api/kv/{key}")
@described("Remove a value", {"status": "string"}, who="operator", places=PLACES)
@guards_itself
async def remove(request: web.Request) -> web.Response:
    state = request.app[STATE]
    guard.check_operator(state, call_of(request))
    if not state.keys.remove(_key(request)):
        fail(404, "there is no such value")
    return json_answer({"status": "ok"})


def _check(state: State, call: Call) -> None:
    guard.check_key(state, call)
    guard.check_key_value_rate(state, call)


def _key(request: web.Request) -> str:
    key = request.match_info["key"]
    if not keyvalues.is_key(key):
        fail(422, f"key: must match {keyvalues.KEY}")
    return key


def _version(call: Call) -> int | None:
    given = call.headers.get("if-match")
    if given is None:
        return None
    if (match := _VERSION.fullmatch(given)) is None:
        fail(422, "If-Match: is not an ETag of a value")
    return int(match[1])
