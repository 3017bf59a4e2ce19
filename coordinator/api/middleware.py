"""What every request passes: errors as problems, the right to write; and its id on every answer."""

import logging
import re
from random import getrandbits
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from coordinator.api import guard
from coordinator.api.agents import DEFECT, note_refusal
from coordinator.api.answers import Problem, problem, web_answer
from coordinator.api.bodies import call_of
from coordinator.api.state import STATE

log = logging.getLogger(__name__)

REQUEST_ID: Final = "X-Request-ID"
_GOOD_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_READING: Final = (hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS)
GUARDED: Final = "__guards_itself__"


async def request_id(request: web.Request, response: web.StreamResponse) -> None:
    """The sender's id, if it is fit for a log, else a new one; on every answer as its head is made, streams too."""
    response.headers[hdrs.SERVER] = "coordinator"  # not which Python and which library
    response.headers[REQUEST_ID] = request_id_for(request.headers.get(REQUEST_ID, ""))


def request_id_for(given: str) -> str:
    return given if _GOOD_ID.fullmatch(given) else f"{getrandbits(128):032x}"


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error has one shape; one that we did not foresee is logged and tells the client nothing."""
    try:
        return await handler(request)
    except Problem as error:
        note_refusal(request.app[STATE], error)
        return web_answer(error.reply())
    except web.HTTPException as error:
        return problem(error.status, _detail(error), _allowed(error))
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return web_answer(DEFECT)


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
    """Who writes shows the join secret, unless the handler asks for something else by itself. Reading needs no key:
    the seed's monitoring (`curl http://coordinator:8080/api/admin/gaps`) sends none."""
    route = request.match_info.handler
    if request.method not in _READING and not getattr(route, GUARDED, False):
        guard.check_key(request.app[STATE], call_of(request))
    return await handler(request)


def guards_itself(handler: Handler) -> Handler:
    """Marks a handler that writes and checks by itself who may."""
    setattr(handler, GUARDED, True)
    return handler
