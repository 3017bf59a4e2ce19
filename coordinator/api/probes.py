"""A peer's question: can you reach this worker? It is asked before a worker is called dead."""

from typing import Annotated, Final

from aiohttp import web
from pydantic import AfterValidator

from coordinator.api import guard
from coordinator.api.agents import understand
from coordinator.api.answers import json_answer
from coordinator.api.bodies import read_call
from coordinator.api.describe import described
from coordinator.api.middleware import guards_itself
from coordinator.api.state import STATE
from coordinator.prober import Prober
from edgeproxy.cluster.messages import Message
from edgeproxy.cluster.urls import MAX_URL, worker_url

PROBER: Final = web.AppKey("prober", Prober)

routes = web.RouteTableDef()


def _probe_url(value: str) -> str:
    base, _, _ = value.partition("?")
    worker_url(base)
    if len(value) > MAX_URL:
        raise ValueError(f"URL is longer than {MAX_URL} characters")
    return value


class Question(Message):
    """POST /v1/probe; the answer is {"verdict": "alive" | "refused" | "silent" | "unknown"}."""

    url: Annotated[str, AfterValidator(_probe_url)]


@routes.post("/v1/probe")
@described("Whether we can reach a worker: a peer asks", {"verdict": "string"}, body=Question, who="worker")
@guards_itself
async def probe(request: web.Request) -> web.Response:
    call, state = await read_call(request), request.app[STATE]
    guard.check_key(state, call)
    question = understand(call, Question)
    guard.refuse_foreign_loopback(call, [question.url])
    prober = request.app.get(PROBER)
    verdict = None if prober is None else await prober.ask_for_peer(question.url)
    if verdict is None:
        guard.fail(503, "this coordinator makes no probes now", {"Retry-After": "5"})
    return json_answer({"verdict": verdict})
