"""The change feed: what changed since a mark, by long-poll or as server-sent events. Both can be resumed.

    GET /v1/events                       {"mark": "3f9c1a7e-12", "reset": false, "events": []}: where we are
    GET /v1/events?after=MARK&wait=25    the events after it, at once or as soon as there are any, else [] in 25 s
    ... Accept: text/event-stream        one event after the other; Last-Event-ID resumes

`reset: true` (an event `reset`): the mark is too old or of another life, read the whole list. An event names a worker;
its record is read where it is wanted. `routing=true` leaves out what edges do not route by.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson
from aiohttp import hdrs, web

from coordinator.api.answers import fail, json_answer
from coordinator.api.bodies import call_of
from coordinator.api.describe import described
from coordinator.api.state import STATE, State
from coordinator.events import Event, EventLog

MOST_WATCHERS: Final = 1000  # edges, dashboards and terminals; some 20 KB each
MOST_OF_ADDRESS: Final = 100  # a site's edges, or what comes through one edge; this machine's own are not counted
LOOK: Final = 5.0  # seconds between two looks whether the asker is still there
LONGEST_WAIT: Final = 60.0  # less than what proxies between us take for a dead connection
MOST_EVENTS: Final = 1000  # of one answer: 150 KB; the next question brings the rest
ALIVE_EVERY: Final = 15.0  # seconds between comments on a stream that rests
WRITE_TIMEOUT: Final = 30.0  # for a reader that does not read

routes = web.RouteTableDef()


@routes.get("/v1/events")
@described(
    "What changed since a mark; or, for Accept: text/event-stream, as it happens",
    {"mark": "string", "reset": "boolean", "events": "array"},
    query={
        "after": {"type": "string"},
        "wait": {"type": "number", "minimum": 0, "default": 0},
        "routing": {"type": "boolean", "default": False},
    },
)
async def events(request: web.Request) -> web.StreamResponse:
    state = request.app[STATE]
    _check_room(state, request)
    routing = request.query.get("routing") == "true"
    if "text/event-stream" in request.headers.get(hdrs.ACCEPT, ""):
        return await _stream(request, state, routing)
    after, wait = request.query.get("after"), _wait(request)
    if after is None:
        return json_answer(_page(state.registry.events, state.registry.events.mark, routing))
    return json_answer(await _poll(request, state, after, wait, routing))


def _check_room(state: State, request: web.Request) -> None:
    if len(state.watchers) >= MOST_WATCHERS:
        fail(503, "too many readers wait for changes", {"Retry-After": "5"})
    call = call_of(request)
    if not call.caller.loopback and state.watchers_of[call.peer] >= MOST_OF_ADDRESS:
        fail(429, "too many readers of this address wait for changes", {"Retry-After": "5"})


async def _poll(request: web.Request, state: State, after: str, wait: float, routing: bool) -> dict[str, Any]:
    log = state.registry.events
    page = _page(log, after, routing)
    async with _watching(state, request) as changed:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                while not (page["events"] or page["reset"] or state.closing or request.transport is None):
                    await _changes(changed, LOOK)
                    page = _page(log, page["mark"], routing)
    return page


async def _changes(changed: asyncio.Event, within: float) -> bool:
    """Whether something has changed, in this time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            await changed.wait()
    news = changed.is_set()
    changed.clear()
    return news


async def _stream(request: web.Request, state: State, routing: bool) -> web.StreamResponse:
    log = state.registry.events
    mark = request.headers.get("Last-Event-ID") or request.query.get("after") or log.mark
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    try:
        await _follow(request, response, state, mark, routing)
    except OSError:  # TimeoutError too: who does not read is let go, and resumes where it was
        if request.transport is not None:
            request.transport.abort()
    return response


async def _follow(request: web.Request, response: web.StreamResponse, state: State, mark: str, routing: bool) -> None:
    log = state.registry.events
    async with _watching(state, request) as changed:
        await _write(response, f"retry: 1000\nid: {log.mark if log.since(mark) is None else mark}\n: here\n\n".encode())
        while not state.closing:
            page = _page(log, mark, routing)
            mark = page["mark"]
            if page["reset"] or page["events"]:
                await _write(response, _frames(log, page))
                continue
            if not await _changes(changed, ALIVE_EVERY):
                await _write(response, b": alive\n\n")


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(WRITE_TIMEOUT):
        await response.write(data)


def _frames(log: EventLog, page: dict[str, Any]) -> bytes:
    if page["reset"]:
        return b"event: reset\nid: %b\ndata: {}\n\n" % page["mark"].encode()
    return b"".join(
        b"event: %b\nid: %b-%d\ndata: %b\n\n"
        % (event["kind"].encode(), log.epoch.encode(), event["revision"], orjson.dumps(event))
        for event in page["events"]
    )


def _page(log: EventLog, after: str, routing: bool) -> dict[str, Any]:
    found = log.since(after)
    if found is None:
        return {"mark": log.mark, "reset": True, "events": []}
    taken = found[:MOST_EVENTS]
    mark = f"{log.epoch}-{taken[-1].revision}" if taken else after
    told = [as_json(event) for event in taken if event.routed_by or not routing]
    return {"mark": mark, "reset": False, "events": told}


def as_json(event: Event) -> dict[str, Any]:
    return {
        "revision": event.revision,
        "kind": event.kind,
        "at": event.at.isoformat(),
        "worker_id": event.worker_id,
        "status": event.status,
        "detail": event.detail,
    }


def _wait(request: web.Request) -> float:
    try:
        seconds = float(request.query.get("wait", "0"))
    except ValueError:
        fail(422, "wait: not a number")
    if not math.isfinite(seconds) or seconds < 0:
        fail(422, "wait: not a number of seconds")
    return min(seconds, LONGEST_WAIT)


@asynccontextmanager
async def _watching(state: State, request: web.Request) -> AsyncIterator[asyncio.Event]:
    changed, peer = asyncio.Event(), call_of(request).peer
    state.watchers.add(changed)
    state.watchers_of[peer] += 1
    cancel = state.registry.events.listen(changed.set)
    try:
        yield changed
    finally:
        cancel()
        state.watchers.discard(changed)
        state.watchers_of[peer] -= 1
        if not state.watchers_of[peer]:
            del state.watchers_of[peer]
