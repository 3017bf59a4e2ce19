"""Operators who come with a name and a password, as old dashboards do: the password is the operators' key
(COORDINATOR_ADMIN_KEY), the name is theirs to choose, and goes into the log. What they get is good where the key is."""

import hmac
import logging

from aiohttp import web

from coordinator.api import guard
from coordinator.api.agents import understand
from coordinator.api.answers import json_answer
from coordinator.api.bodies import call_of, read_call
from coordinator.api.calls import Problem
from coordinator.api.describe import described
from coordinator.api.middleware import guards_itself
from coordinator.api.state import STATE, State
from edgeproxy.cluster.messages import Message, Text

log = logging.getLogger(__name__)
routes = web.RouteTableDef()


class Login(Message):
    """POST /api/auth/login."""

    username: Text
    password: Text


class Token(Message):
    """POST /api/auth/verify."""

    token: Text


@routes.post("/api/auth/login")
@described(
    "An operator's token, for a name and the operators' key",
    {"access_token": "string", "token_type": "string"},
    body=Login,
)
@guards_itself
async def login(request: web.Request) -> web.Response:
    state, call = request.app[STATE], await read_call(request)
    guard.check_login_rate(state, call)
    asked = understand(call, Login)
    if not _is_password(state, asked.password):
        state.counts["failed_logins"] += 1
        raise Problem(401, "Invalid credentials", {"WWW-Authenticate": "Bearer"})
    log.info("an operator logs in: %r from %s", asked.username[:64], call.peer)
    token = state.logins.issue(asked.username[:64], state.clock().wall.timestamp())
    body = {"access_token": token, "token_type": "bearer", "user": _user(asked.username[:64])}
    return json_answer(body, headers={"Cache-Control": "no-store"})


@routes.get("/api/auth/verify")
@described("Whose token is shown as Authorization: Bearer", {"valid": "boolean", "username": "string"})
async def verify(request: web.Request) -> web.Response:
    state, call = request.app[STATE], call_of(request)
    guard.check_login_rate(state, call)
    return _verified(state, guard.presented_key(call.headers) or "")


@routes.post("/api/auth/verify")
@described("Whose token this is", {"valid": "boolean", "username": "string"}, body=Token)
@guards_itself
async def verify_told(request: web.Request) -> web.Response:
    state, call = request.app[STATE], await read_call(request)
    guard.check_login_rate(state, call)
    return _verified(state, understand(call, Token).token)


def _verified(state: State, token: str) -> web.Response:
    name = state.logins.whose(token, state.clock().wall.timestamp())
    if name is None:
        raise Problem(401, "Invalid or expired token", {"WWW-Authenticate": "Bearer"}, valid=False)
    return json_answer({"valid": True, "username": name, "user": _user(name)})


def _user(name: str) -> dict[str, str]:
    return {"username": name, "role": "operator"}


def _is_password(state: State, shown: str) -> bool:
    """Without an operators' key there is no password, and nobody logs in."""
    key = state.admin_key
    return key is not None and hmac.compare_digest(shown.encode(errors="surrogateescape"), key.encode())
