"""What every request passes, outermost first: its id, errors as problems, the right to write."""

import hmac
import logging
import re
import secrets
from ipaddress import ip_address
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from coordinator.api.answers import Problem, fail, problem
from coordinator.api.state import STATE, State

log = logging.getLogger(__name__)

REQUEST_ID: Final = "X-Request-ID"
_GOOD_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# the request came by a proxy, or from a page in a browser: the TCP peer is not the one who asks
_FROM_ELSEWHERE: Final = ("Forwarded", "X-Forwarded-For", "Via", "Origin")


@web.middleware
async def request_id(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The sender's id, if it is fit for a log, else a new one; on the answer in any case."""
    given = request.headers.get(REQUEST_ID, "")
    response = await handler(request)
    response.headers[hdrs.SERVER] = "coordinator"  # not which Python and which library
    response.headers[REQUEST_ID] = given if _GOOD_ID.fullmatch(given) else secrets.token_hex(16)
    return response


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error has one shape; one that we did not foresee is logged and tells the client nothing."""
    try:
        return await handler(request)
    except Problem as error:
        return problem(error.status, error.detail, error.headers)
    except web.HTTPException as error:
        return problem(error.status, _detail(error), _allowed(error))
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return problem(500, "an error in the coordinator, see its log")


def _detail(error: web.HTTPException) -> str:
    match error.status:
        case 404:
            return "there is nothing at this path"
        case 405:
            return "this path does not take that method"
        case 413:
            return "the body is longer than the coordinator takes"
    return error.reason


def _allowed(error: web.HTTPException) -> dict[str, str]:
    return {hdrs.ALLOW: error.headers[hdrs.ALLOW]} if hdrs.ALLOW in error.headers else {}


@web.middleware
async def authorize_writes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Workers join with the key; without a key set, over loopback only. Reading needs no key: the seed's
    monitoring (`curl http://coordinator:8080/api/admin/gaps`) sends none."""
    if request.method not in (hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS):
        _authorize(request, request.app[STATE])
    return await handler(request)


def _authorize(request: web.Request, state: State) -> None:
    if state.api_key is not None:
        presented = _presented_key(request)
        if presented is None:
            fail(403, "an API key is needed: send it as X-API-Key, api-key or Authorization: Bearer")
        if not hmac.compare_digest(presented.encode(errors="surrogateescape"), state.api_key.encode()):
            fail(403, "Invalid API key")
    elif not state.open and not from_loopback(request):
        fail(403, "workers may join over loopback only: the coordinator has no API_KEY")


def _presented_key(request: web.Request) -> str | None:
    for name in ("X-API-Key", "api-key"):
        if key := request.headers.get(name):
            return key
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def from_loopback(request: web.Request) -> bool:
    """Whether it is a program on this machine that asks, by itself. Our own edge proxy on the same machine
    passes on what others ask; so may another proxy: both say so."""
    if not came_directly(request):
        return False
    try:
        address = ip_address((request.remote or "").partition("%")[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def came_directly(request: web.Request) -> bool:
    """Whether the TCP peer is the one who asks."""
    return not any(name in request.headers for name in _FROM_ELSEWHERE)
