"""Whether a call may go on: the join secret, the proofs, the limits. Raises Problem."""

import hmac
import math
from collections.abc import Iterable
from typing import Final, NoReturn
from urllib.parse import urlsplit

from coordinator.api.calls import Call, Headers, Problem
from coordinator.api.limits import Rate
from coordinator.api.state import State
from coordinator.identity.gate import Admission, Refused
from edgeproxy.cluster import proof

_PROOF: Final = proof.PROOF_HEADER.lower()
_SIGNATURE: Final = proof.SIGNATURE_HEADER.lower()


def fail(status: int, detail: str, headers: dict[str, str] | None = None) -> NoReturn:
    raise Problem(status, detail, headers)


def check_key(state: State, call: Call) -> None:
    """Workers join with the key; without a key set, over loopback only."""
    if state.api_key is not None:
        _compare(call.headers, state.api_key, "an API key")
    elif not state.open and not call.caller.loopback:
        fail(403, "workers may join over loopback only: the coordinator has no API_KEY")


def check_operator(state: State, call: Call) -> None:
    """What an operator may: with a key of its own where one is set, or the token that it got for it, else from the
    coordinator's own machine."""
    if state.admin_key is not None:
        if state.logins.whose(presented_key(call.headers) or "", state.clock().wall.timestamp()) is not None:
            return
        _compare(call.headers, state.admin_key, "the operator's key")
        return
    if not call.caller.loopback:
        fail(403, "operators work on the coordinator's own machine, or with COORDINATOR_ADMIN_KEY")
    check_key(state, call)


def check_user(state: State, call: Call) -> None:
    """Whose requests are passed on to workers: whom the operator said, and who shows the join secret."""
    if state.serves_users(call.caller):
        return
    if state.api_key is None:
        fail(403, "users are served through an edge: COORDINATOR_USERS says from where they may ask here")
    _compare(call.headers, state.api_key, "an API key")


def is_secret(state: State, name: str, value: str) -> bool:
    """Of a field: whether it shows a key of ours, which is for nobody else."""
    if name not in ("x-api-key", "api-key", "authorization"):
        return False
    shown = (presented_key({name: value}) or "").encode(errors="surrogateescape")
    if state.logins.whose(shown.decode(errors="replace"), state.clock().wall.timestamp()) is not None:
        return True
    return any(key is not None and hmac.compare_digest(shown, key.encode()) for key in (state.api_key, state.admin_key))


def is_operator(state: State, call: Call) -> bool:
    try:
        check_operator(state, call)
    except Problem:
        return False
    return True


def _compare(headers: Headers, key: str, what: str) -> None:
    shown = presented_key(headers)
    if shown is None:
        fail(403, f"{what} is needed: send it as X-API-Key, api-key or Authorization: Bearer")
    if not hmac.compare_digest(shown.encode(errors="surrogateescape"), key.encode()):
        fail(403, "Invalid API key")


def presented_key(headers: Headers) -> str | None:
    for name in ("x-api-key", "api-key"):
        if key := headers.get(name):
            return key
    scheme, _, token = (headers.get("authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def check_rate(state: State, call: Call) -> None:
    """Of registrations and what leads to them: each costs more than a heartbeat."""
    now = state.clock().monotonic
    if not call.caller.loopback:
        _spend(state.limits.of_address, call.peer, now, "this address")
    _spend(state.limits.of_all, "", now, "all together", status=503)


def check_login_rate(state: State, call: Call) -> None:
    """Of passwords and tokens: guessing one takes longer than the universe is old, and nobody is kept busy by it."""
    now = state.clock().monotonic
    _spend(state.limits.of_guesser, call.peer, now, "this address")
    _spend(state.limits.of_guessers, "", now, "all together", status=503)


def check_key_value_rate(state: State, call: Call) -> None:
    _spend(state.limits.of_key_values, call.peer, state.clock().monotonic, "this address")


def check_worker_rate(state: State, worker_id: str, now: float) -> None:
    _spend(state.limits.of_worker, worker_id, now, "this worker")


def _spend(rate: Rate, key: str, now: float, whose: str, status: int = 429) -> None:
    if (wait := rate.wait(key, now)) > 0:
        fail(status, f"too many requests of {whose}", {"Retry-After": str(math.ceil(wait))})


def admit(state: State, call: Call) -> Admission:
    """A registration, before its body is understood."""
    try:
        return state.gate.admit(call.headers.get(_SIGNATURE), call.body, call.caller, state.clock().monotonic)
    except Refused as error:
        refuse(error)


def check_owner(state: State, credential: bytes | None, admission: Admission) -> None:
    try:
        state.gate.check_owner(credential, admission)
    except Refused as error:
        refuse(error)


def heard(state: State, call: Call, action: bytes) -> str | None:
    """Whose message this is, by its proof; None if it has none (then the join secret was shown)."""
    header = call.headers.get(_PROOF)
    if header is None:
        check_key(state, call)
        return None
    try:
        call.proven = state.gate.heard(header, action, call.body)
    except Refused as error:
        refuse(error)
    return call.proven


def check_unsigned(state: State, credential: bytes | None, call: Call) -> None:
    try:
        state.gate.check_unsigned(credential, call.caller)
    except Refused as error:
        refuse(error)


def refuse(error: Refused) -> NoReturn:
    fail(error.status, error.detail, {"Retry-After": "60"} if error.status == 503 else None)


def refuse_foreign_loopback(call: Call, urls: Iterable[str | None]) -> None:
    """A worker on another machine cannot mean our loopback: edges would send users' data to their own ports."""
    for url in () if call.caller.loopback else urls:
        host = urlsplit(url or "").hostname or ""
        if host.rstrip(".") == "localhost" or host.startswith("127.") or host == "::1" or "::ffff:127." in host:
            fail(422, f"{url} is an address of your own machine: give one that others can reach")
