"""Users' requests that come to the coordinator, as they came to those before it: `/service/...` and its older names.

An edge is the better way, and the only one that knows users' keys and limits: so without being told otherwise
(COORDINATOR_USERS) only programs of this machine are served, and who shows the join secret.
"""

import random
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from aiohttp import hdrs, web

from coordinator.api import guard
from coordinator.api.agents import understand
from coordinator.api.answers import fail
from coordinator.api.bodies import call_of, read_call
from coordinator.api.calls import Problem
from coordinator.api.describe import ANYTHING, described
from coordinator.api.middleware import guards_itself
from coordinator.api.state import STATE, State
from coordinator.record import is_loopback
from coordinator.registry import Worker
from coordinator.relay import Busy, Relay, TooLong, TooSlow, Unreachable
from edgeproxy.cluster.messages import Message
from edgeproxy.cluster.services import canonical

RELAY: Final = web.AppKey("relay", Relay)
METHODS: Final = (  # and HEAD, with GET
    *(hdrs.METH_GET, hdrs.METH_POST, hdrs.METH_PUT),
    *(hdrs.METH_PATCH, hdrs.METH_DELETE, hdrs.METH_OPTIONS),
)
MOST_HOPS: Final = 4  # coordinators that one request may pass: a service may be a coordinator
_SERVICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_INFERENCE: Final[Mapping[str, tuple[str, str]]] = {
    "vision": ("vision-ocr", "/process"),
    "rag/query": ("rag-embeddings", "/query"),
    "graph/extract": ("ner-extraction", "/extract"),
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

routes = web.RouteTableDef()


class Prompt(Message):
    """POST /api/inference/llm: what is looked at of it; all of it goes on as it is."""

    messages: list[Any] | None = None
    prompt: Any = None


def _for_users(
    summary: str, *paths: str, methods: Iterable[str] = METHODS, body: type[Message] | None = None
) -> Callable[[Handler], Handler]:
    """Decorates the handler of these paths; who may ask is checked by it."""

    def mark(handler: Handler) -> Handler:
        marked = guards_itself(described(summary, ANYTHING, content="*/*", body=body)(handler))
        for path in paths:
            for method in methods:
                routes.route(method, path)(marked)
        return marked

    return mark


@_for_users(
    "A user's request to a worker of a service",
    *("/service/{service}", "/service/{service}/{path:.*}"),
    *("/api/service/{service}", "/api/service/{service}/{path:.*}"),
)
async def service(request: web.Request) -> web.StreamResponse:
    raw = request.rel_url.raw_path.removeprefix("/api").removeprefix("/service/")
    name, slash, path = raw.partition("/")
    return await _pass_on(request, unquote(name), slash + path)


@_for_users(
    "A user's request to the upload service, by an older name",
    *("/clients", "/clients/{path:.*}", "/uploads/{path:.*}"),
)
async def upload(request: web.Request) -> web.StreamResponse:
    return await _pass_on(request, "upload", request.rel_url.raw_path)


@_for_users("A prompt or a talk, for a language model", "/api/inference/llm", methods=(hdrs.METH_POST,), body=Prompt)
async def infer_llm(request: web.Request) -> web.StreamResponse:
    """`messages` is what chat takes, anything else what completion takes."""
    _check(request)
    call = await read_call(request)
    chat = understand(call, Prompt).messages is not None
    return await _pass_on(request, "llm", "/v1/chat/completions" if chat else "/v1/completions", call.body)


@_for_users(
    "One of the other models",
    *(f"/api/inference/{name}" for name in _INFERENCE),
    methods=(hdrs.METH_POST,),
)
async def infer(request: web.Request) -> web.StreamResponse:
    return await _pass_on(request, *_INFERENCE[request.path.removeprefix("/api/inference/")])


def _check(request: web.Request) -> None:
    guard.check_user(request.app[STATE], call_of(request))
    if request.headers.get(hdrs.VIA, "").count("coordinator") >= MOST_HOPS:
        fail(508, "this request has passed too many coordinators")


async def _pass_on(request: web.Request, name: str, path: str, body: bytes | None = None) -> web.StreamResponse:
    _check(request)
    if not _SERVICE.fullmatch(name):
        fail(404, "no service has such a name")
    if any(unquote(part) in (".", "..") for part in path.split("/")):
        fail(400, "the path has segments that lead out of the service")
    query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
    state, known = request.app[STATE], canonical(name)
    targets = [base + path + query for base in bases(state, known)]
    if not targets or (relay := request.app.get(RELAY)) is None:
        raise _none_serves(state, known)
    try:
        answer = await relay.pass_on(request, targets, call_of(request).peer, body)
    except Busy:
        fail(503, "too many requests pass through the coordinator: ask an edge", {"Retry-After": "2"})
    except TooLong:
        fail(413, "the body is longer than the coordinator passes on: ask an edge", {"Connection": "close"})
    except TooSlow:
        fail(408, "the body does not come", {"Connection": "close"})
    except Unreachable as error:
        raise _unreachable(known, error) from None
    state.counts["relayed"] += 1
    return answer


def bases(state: State, service: str) -> list[str]:
    """Where the service is served: the least loaded first; then where other coordinators say; then, for those whom
    only edges reach, the edges."""
    at = state.clock()
    running = state.registry.running(at)
    workers = sorted(running.get(service, ()), key=lambda worker: (worker.load(at), random.random()))
    found = [url for worker in workers if (url := worker.url_of(service)) is not None]
    for row in [] if state.federation is None else state.federation.elsewhere(at):
        found += [url for url in _urls_elsewhere(row, service) if not is_loopback(urlsplit(url).hostname or "")]
    direct = [url for url in found if url.startswith(("http://", "https://"))]
    if direct or not found:
        return direct
    edges: list[Worker] = running.get("edge-proxy", [])
    return [f"{url}/service/{service}" for edge in edges if (url := edge.url_of("edge-proxy")) is not None]


def _urls_elsewhere(row: Mapping[str, object], service: str) -> list[str]:
    reports = row.get("services")
    if isinstance(reports, list):
        return [
            report["service_url"] for report in reports if (report["name"], report["status"]) == (service, "healthy")
        ]
    url = row.get("tunnel_url")
    return [url] if isinstance(url, str) and service in (row.get("assigned_services") or ()) else []  # type: ignore[operator]


def _none_serves(state: State, service: str) -> Problem:
    """In the words of three generations."""
    return Problem(
        503,
        f"no healthy worker runs {service!r}",
        {"Retry-After": "5"},
        error="Service not available",
        service=service,
        message=f"no healthy worker runs {service!r}",
        available_services=sorted(state.registry.running(state.clock())),
        suggestion="try again when a worker has taken it",
    )


def _unreachable(service: str, error: Unreachable) -> Problem:
    if not error.sent:
        words = "Service temporarily unavailable"
        return Problem(
            503, f"no worker of {service!r} can be reached", {"Retry-After": "2"}, error=words, service=service
        )
    detail = f"a worker of {service!r} {'gave no answer in time' if error.late else 'broke the connection'}"
    return Problem(504 if error.late else 502, detail, error="Service proxy error", message=detail, service=service)
