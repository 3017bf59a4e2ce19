"""What agents ask: challenge, register, heartbeat, unregister. Calls in, replies out; no I/O."""

import re
from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from coordinator.api import guard, views
from coordinator.api.calls import Call, Problem, Reply
from coordinator.api.guard import fail
from coordinator.api.state import State
from coordinator.identity.gate import Admission
from coordinator.registry import Now, RegistryFull, StaleIncarnation, Worker
from edgeproxy.cluster import proof
from edgeproxy.cluster.messages import Heartbeat, Registration, ServiceReport, first_fault

Message = TypeVar("Message", bound=BaseModel)
Handler = Callable[[State, Call], Reply]

MOST_ANSWERS: Final = 4096
_JSON: Final = re.compile(r"application/json[ \t]*(?:;.*)?", re.IGNORECASE)


def understand(call: Call, model: type[Message]) -> Message:
    """The message; Problem 415, 400 (no JSON) or 422 (JSON of another shape)."""
    kind = call.headers.get("content-type") or ""
    if kind != "application/json" and not _JSON.fullmatch(kind):
        # a page in a browser may send any other type to any address without being asked
        fail(415, "send Content-Type: application/json")
    try:
        return model.model_validate(orjson.loads(call.body))
    except orjson.JSONDecodeError as error:
        fail(400, f"the body is not JSON: {error.msg}")
    except ValidationError as error:
        fail(422, first_fault(error))


def challenge(state: State, call: Call) -> Reply:
    """What the next registration is to be signed with."""
    guard.check_rate(state, call)
    return Reply(
        orjson.dumps(state.gate.challenge(state.clock().monotonic).model_dump()), headers={"Cache-Control": "no-store"}
    )


def register(state: State, call: Call) -> Reply:
    guard.check_key(state, call)
    guard.check_rate(state, call)
    admission = guard.admit(state, call)
    worker, session = _take_in(state, call, understand(call, Registration), admission)
    return Reply(orjson.dumps(views.registered(worker, state.registry.interval, state.registry.catalog, session)))


def take_in(state: State, call: Call, registration: Registration) -> Worker:
    """A registration that came in other words, unsigned."""
    guard.check_rate(state, call)
    return _take_in(state, call, registration, guard.admit(state, call))[0]


def message_of(body: object) -> Registration:
    """Of an object that was made here from checked parts; Problem 422 all the same if it is too long."""
    try:
        return Registration.model_validate(body)
    except ValidationError as error:
        fail(422, first_fault(error))


def _take_in(state: State, call: Call, registration: Registration, admission: Admission) -> tuple[Worker, str | None]:
    reports = _urls(registration.services) + _urls(registration.containers)
    guard.refuse_foreign_loopback(call, [registration.tunnel_url, *reports])
    old = state.registry.workers.get(registration.worker_id or "")
    if state.draining and old is None:
        _send_elsewhere(state)
    guard.check_owner(state, old.credential if old else None, admission)
    header = call.headers.get(proof.SIGNATURE_HEADER.lower())
    _check_life(state, header, call.body, registration)
    try:
        worker = state.registry.register(registration, state.clock(), near=call.caller.loopback)
    except RegistryFull:
        fail(503, "the registry is full", {"Retry-After": "60"})
    worker.credential = admission.credential
    session = state.gate.opened(worker.worker_id, admission)
    if state.federation is not None:
        state.federation.registered(worker, header, call.body, registration)
    state.counts["registrations"] += 1
    state.counts["signed_registrations"] += session is not None
    return worker, session


def _send_elsewhere(state: State) -> NoReturn:
    """We leave: nobody new is taken in, and who can go elsewhere is told where."""
    alternates = state.federation.alternates(state.clock()) if state.federation else []
    raise Problem(503, "the coordinator is leaving", {"Retry-After": "5"}, alternates=alternates)


def _check_life(state: State, header: str | None, body: bytes, registration: Registration) -> None:
    """A worker whose clock went back, or a registration that came late: others know a later one."""
    if state.federation is None or header is None:
        return
    known = state.federation.known_life(header, body, registration)
    if known is not None:
        raise Problem(409, "life: a later one of this worker is known: begin one after it", incarnation=known)


def heartbeat(state: State, call: Call) -> Reply:
    by = guard.heard(state, call, proof.HEARTBEAT)
    beat = understand(call, Heartbeat)
    worker = state.registry.workers.get(beat.worker_id)
    if by is None:
        guard.check_unsigned(state, worker.credential if worker else None, call)
    elif by != beat.worker_id:
        fail(403, "worker_id: this session is another worker's")
    at = state.clock()
    guard.check_worker_rate(state, beat.worker_id, at.monotonic)
    guard.refuse_foreign_loopback(call, _urls(beat.services))
    try:
        worker = state.registry.heartbeat(beat, at)
    except StaleIncarnation:
        fail(409, "incarnation: this worker has registered again since, or another one with its worker_id")
    if worker is None:
        fail(404, "Worker not found")
    state.counts["heartbeats"] += 1
    return _answer(state, worker, at)


def unregister(state: State, worker_id: str, call: Call) -> Reply:
    """By the worker itself, or by an operator."""
    if proof.PROOF_HEADER.lower() in call.headers:
        if guard.heard(state, call, proof.unregister_action(worker_id)) != worker_id:
            fail(403, "this session is another worker's")
    elif not guard.is_operator(state, call):
        guard.check_key(state, call)
        guard.check_unsigned(state, credential_of(state, worker_id), call)
    if not state.registry.unregister(worker_id, state.clock()):
        fail(404, "Worker not found")
    state.gate.sessions.close(worker_id)
    state.counts["unregistrations"] += 1
    return Reply(b'{"status":"ok","message":"Worker unregistered"}')


def credential_of(state: State, worker_id: str) -> bytes | None:
    worker = state.registry.workers.get(worker_id)
    return worker.credential if worker else None


def answered(handler: Handler, state: State, call: Call) -> Reply:
    """The reply, in any case but a defect of ours."""
    try:
        return handler(state, call)
    except Problem as problem:
        note_refusal(state, problem)
        return problem.reply()


def note_refusal(state: State, problem: Problem) -> None:
    """For the metrics: who may not, or asks too often."""
    if problem.status in (401, 403, 429):
        state.counts["refused"] += 1


def _urls(reports: list[ServiceReport] | None) -> list[str]:
    return [report.service_url for report in reports] if reports else []


DEFECT: Final = Problem(500, "an error in the coordinator, see its log").reply()


def _answer(state: State, worker: Worker, at: Now) -> Reply:
    """Heartbeats of a fleet have few different answers: each is made once."""
    registry = state.registry
    move_to = state.federation.move_to(worker.worker_id, at) if state.draining and state.federation else None
    key = (worker.assigned, registry.interval, move_to)
    reply = state.answers.get(key)
    if reply is None:
        if len(state.answers) >= MOST_ANSWERS:
            state.answers.clear()
        heard = views.heard(worker, registry.interval, registry.catalog, move_to)
        reply = state.answers[key] = Reply(orjson.dumps(heard))
    return reply
