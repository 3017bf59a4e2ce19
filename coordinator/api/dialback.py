"""Whether a machine can be reached where it seems to be: asked by its agent, before it claims so.

Only the address that the question came from is dialled, so that nobody can send us anywhere else.
"""

import asyncio
import hmac
from ipaddress import ip_address
from typing import Final

import aiohttp
from aiohttp import web

from coordinator.api import guard
from coordinator.api.agents import understand
from coordinator.api.answers import fail, json_answer
from coordinator.api.bodies import read_call
from coordinator.api.calls import came_directly
from coordinator.api.describe import described
from coordinator.api.middleware import guards_itself
from coordinator.api.state import STATE
from edgeproxy.cluster.messages import DialBack, DialBackAnswer
from edgeproxy.cluster.urls import worker_url
from edgeproxy.runtime.sockets import Bind

routes = web.RouteTableDef()

TIMEOUT: Final = aiohttp.ClientTimeout(total=3.0)
AT_ONCE: Final = 16  # sockets that questions may cost us
MAX_ANSWER: Final = 256  # bytes: a nonce has 64 at most

_slots = asyncio.Semaphore(AT_ONCE)


@routes.post("/api/worker/dial-back")
@described("Whether we reach the asker where it seems to be", DialBackAnswer, body=DialBack, who="worker")
@guards_itself
async def dial_back(request: web.Request) -> web.Response:
    call, state = await read_call(request), request.app[STATE]
    guard.check_key(state, call)
    guard.check_rate(state, call)
    question = understand(call, DialBack)
    if not came_directly(call.headers):
        return _answer(DialBackAnswer(reason="a proxy stands between: the machine's own address is not seen"))
    try:
        address = str(_unmapped(call.peer))
        target = worker_url(f"http://{Bind(address, question.port)}")
    except ValueError as error:
        return _answer(DialBackAnswer(address=call.peer, reachable=False, reason=str(error)))
    if _slots.locked():
        fail(503, "too many machines ask to be dialled back", {"Retry-After": "3"})
    async with _slots:
        fault = await _fault(target, question.nonce)
    return _answer(DialBackAnswer(address=address, reachable=not fault, reason=fault or "it answered"))


def _answer(answer: DialBackAnswer) -> web.Response:
    return json_answer(answer.model_dump(mode="json"))


def _unmapped(address: str) -> object:
    parsed = ip_address(address)
    return getattr(parsed, "ipv4_mapped", None) or parsed


async def _fault(target: str, nonce: str) -> str:
    """Why it is not the asker who listens there; empty if it is."""
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT, trust_env=False) as session,
            session.get(f"{target}/.well-known/edgeproxy/{nonce}", allow_redirects=False) as response,
        ):
            said = await response.content.read(MAX_ANSWER)
    except TimeoutError:
        return "no answer in time: a firewall or router drops it"
    except (aiohttp.ClientError, OSError):
        return "the connection was refused or broken"
    return "" if hmac.compare_digest(said, nonce.encode()) else "somebody else listens there"
