"""One request and its answer: everything known about it, from its head to its last byte, in one object; and what it
asks of the connections at its two ends."""

from __future__ import annotations

from typing import Any

from edgeproxy.clock import FOREVER
from edgeproxy.errors import Fault
from edgeproxy.http.request import GET, IDEMPOTENT, RequestHead
from edgeproxy.policy.address import Source
from edgeproxy.policy.keys import Caller
from edgeproxy.policy.retry import PATIENCE
from edgeproxy.policy.worker import Worker
from edgeproxy.proxy.table import Table

_QUESTION_MARK = 63

NOWHERE = Source("", 0)
"""Of a connection that is not one yet."""

# How payload is framed on its way to the client.
RAW = 0
CHUNKED = 1
TUNNEL = 2
UNTIL_END = 3  # for HTTP/1.0: the end of the connection is the end of the body


class Peer:
    """The connection at one end of an exchange, as far as the exchange sees it: a client's answers the first half
    of this, a worker's the second. One base for both, so that the compiled way calls either end directly.

    `write(data)` sends bytes as they are.
    """

    __slots__ = (
        "caller",
        "credential",
        "credential_rules",
        "forwarded",
        "host",
        "loop",
        "minor",
        "ours",
        "pseudonym",
        "reused",
        "source",
        "trusted",
        "write",
    )

    def __init__(self) -> None:
        self.write: Any = None
        # of a client
        self.source: Source = NOWHERE
        self.forwarded = b""  # field lines with CRLF that say who it is
        self.trusted: Any = False  # whether its own word about the client is believed
        self.host = b""  # what its last request was for, in which version,
        self.minor = -1
        self.ours = b""  # and the fields that we added to it
        self.loop = b""  # the field line by which we know our own requests again
        self.pseudonym = b"edgeproxy"  # our name in Via
        self.caller: Caller | None = None  # who it was that showed this credential, by these rules
        self.credential = b""
        self.credential_rules: Any = None
        # of a worker
        self.reused = False

    # A client.

    def answer(self, exchange: Exchange, fault: Fault, detail: str = "") -> None:
        """End the exchange with an error of the edge's own; only while nothing was forwarded."""
        raise NotImplementedError

    def finish(self, exchange: Exchange) -> None:
        """The answer is complete."""
        raise NotImplementedError

    def follow(self, exchange: Exchange) -> None:
        """This one stands for the client's request from now on: its worker was faster."""
        raise NotImplementedError

    def break_off(self, exchange: Exchange, fault: Fault) -> None:
        """The answer has begun and cannot be completed: end the connection so that the client can tell."""
        raise NotImplementedError

    def switched(self) -> None:
        """Both connections are a tunnel from here on."""
        raise NotImplementedError

    def write_eof(self) -> bool:
        """The worker has finished its side of a tunnel; False where the client cannot be told so."""
        raise NotImplementedError

    def pause_body(self) -> None:
        """The worker takes no more of the request body for now."""
        raise NotImplementedError

    def resume_body(self) -> None:
        """The worker takes more of the request body."""
        raise NotImplementedError

    # A worker.

    def begin(self, exchange: Exchange) -> None:
        """Send the head, and what has come of the body."""
        raise NotImplementedError

    def send(self, payload: bytes) -> None:
        """Send a piece of the body; the exchange's `request_done` says whether it was the last."""
        raise NotImplementedError

    def tunnel(self, data: bytes) -> None:
        """Pass on bytes of a tunnel as they are."""
        raise NotImplementedError

    def end(self) -> None:
        """The client has finished its side of a tunnel; where both have, it is over."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Nobody waits for the answer any more: end the connection now."""
        raise NotImplementedError

    def pause_reading(self) -> None:
        """The client takes no more of the answer for now."""
        raise NotImplementedError

    def resume_reading(self) -> None:
        """The client takes more of the answer."""
        raise NotImplementedError


def path_of(target: bytes) -> bytes:
    """The target without its query."""
    seen = target
    for at in range(len(target)):
        if seen[at] == _QUESTION_MARK:
            return seen[:at]
    return target


class Exchange:
    """State of one request, grouped by what it belongs to."""

    __slots__ = (
        "_newer",
        "_older",
        "added",
        "answer_by",
        "answered_by",
        "attempt",
        "began",
        "bytes_in",
        "bytes_out",
        "cache_status",
        "caller",
        "client",
        "close",
        "cors",
        "counted",
        "credentials",
        "exclusive",
        "failovers",
        "fault",
        "finished",
        "framing",
        "head",
        "hedged",
        "held",
        "idempotent",
        "kept",
        "kept_bytes",
        "key",
        "path",
        "patience",
        "preflight",
        "queued_until",
        "raced",
        "record",
        "recorded",
        "replayable",
        "request_done",
        "request_id",
        "responding",
        "retrying",
        "rival",
        "route",
        "source",
        "started",
        "status",
        "tried",
        "unsent",
        "upstream",
        "waiting",
        "worker",
    )

    def __init__(self, client: Peer, head: RequestHead, table: Table, request_id: bytes, started: float) -> None:
        # request
        self.client = client
        self.head = head
        self.request_id = request_id
        self.started = started
        self.path = path_of(head.target)
        route = self.route = table.match(self.path)
        self.idempotent = (
            head.method is GET
            or head.method in IDEMPOTENT
            or (head.method == b"POST" and bool(route.idempotent) and self.path[route.strip :] in route.idempotent)
        )
        # guard
        self.source = client.source
        self.caller = ""  # the name of the key that was shown
        self.credentials = head.credentials  # what the worker sees of them
        self.added = b""  # field lines of the edge's own for the answer, whoever gives it
        self.cors = False  # they say which pages may read it
        self.preflight = False  # they are the answer
        self.counted = False  # by the shed
        # body
        self.request_done = True
        self.exclusive = False  # its connections are not used again
        self.bytes_in = 0
        self.unsent: list[bytes] | None = None  # payload that waits for a connection
        self.kept: list[bytes] | None = None  # all payload so far
        self.kept_bytes = 0
        self.replayable = True  # `kept` is the whole of it
        # attempts
        self.worker: Worker | None = None
        self.upstream: Peer | None = None
        self.tried: list[Worker] | None = None
        self.failovers = 0
        self.raced = False
        self.attempt = 0  # which one is under way: what is heard of an earlier one is late
        self.began = 0.0  # when it was
        self.answer_by = FOREVER  # the deadline of all of them
        self.retrying = False  # it counts against the budget of retries,
        self.patience = PATIENCE  # or waits this many times for its turn
        self.queued_until = 0.0  # while it waits for a worker
        self.key = 0  # what it has in common with requests like it
        self.held: Any = None  # who waits for more of its body before it goes anywhere
        self.hedged = False
        self.rival: Exchange | None = None  # the same request at another worker
        self.waiting = False  # for the first byte of an answer
        self._older: Exchange | None = None
        self._newer: Exchange | None = None
        # response
        self.answered_by = ""
        self.responding = False
        self.status = 0
        self.framing = RAW
        self.bytes_out = 0
        # One who wants to switch may already speak the other protocol: if it cannot, nobody knows what follows.
        self.close = not head.keep_alive or bool(head.websocket_key)
        self.record: Any = None  # a Recorder, where the cache follows the answer,
        self.recorded = False  # and this is whether it wants the body
        self.cache_status = b""  # a field line
        self.fault: Fault | None = None
        self.finished = False

    def take(self, payload: bytes) -> None:
        """A piece of the request body has arrived: send it, or hold it until there is a connection."""
        self.bytes_in += len(payload)
        if self.replayable:
            self._keep(payload)
        if self.upstream is not None:
            self.upstream.send(payload)
            return
        if self.unsent is None:
            self.unsent = [payload]
        else:
            self.unsent.append(payload)
        if self.held is not None:
            self.held.start(self)

    def _keep(self, payload: bytes) -> None:
        self.kept_bytes += len(payload)
        if self.kept_bytes > self.route.replay_bytes or not (self.idempotent or self._may_be_returned()):
            self.forget()
        elif self.kept is None:
            self.kept = [payload]
        else:
            self.kept.append(payload)

    def _may_be_returned(self) -> bool:
        """Nothing is sent yet; or the machine's agent says so if the service there has seen nothing of it."""
        return self.upstream is None or (self.worker is not None and self.worker.lobby is not None)

    def forget(self) -> None:
        """The body is not kept any more: the request cannot be sent again."""
        self.kept = None
        self.replayable = False

    def rewind(self) -> None:
        """Make ready to send the whole request again; only while it is replayable."""
        self.unsent = list(self.kept) if self.kept else None

    def until(self, deadline: float) -> float:
        """When the answer must begin: as the first attempt said, also for the later ones."""
        if self.answer_by > deadline:
            self.answer_by = deadline
        return self.answer_by

    def older(self) -> Exchange | None:
        """The one before it in `Waiting`."""
        return self._older

    def twin(self) -> Exchange:
        """The same request once more, for another worker; only for one without a body."""
        route = self.route
        twin = Exchange(self.client, self.head, Table(route, route), self.request_id, self.started)
        twin.answer_by = self.answer_by
        twin.close = self.close
        twin.exclusive = self.exclusive
        twin.key = self.key
        twin.record = self.record
        twin.cache_status = self.cache_status
        twin.failovers = self.failovers
        twin.hedged = self.hedged = True
        return twin


class Waiting:
    """The exchanges that wait for the first byte of an answer, linked in the order in which they were sent: to come
    and to go costs two pointers, and who looks for slow ones sees no others."""

    __slots__ = ("count", "newest")

    def __init__(self) -> None:
        self.newest: Exchange | None = None
        self.count = 0

    def add(self, exchange: Exchange) -> None:
        exchange.waiting = True
        exchange._older = self.newest
        if self.newest is not None:
            self.newest._newer = exchange
        self.newest = exchange
        self.count += 1

    def remove(self, exchange: Exchange) -> None:
        older, newer = exchange._older, exchange._newer
        if older is not None:
            older._newer = newer
        if newer is not None:
            newer._older = older
        else:
            self.newest = older
        exchange._older = exchange._newer = None
        exchange.waiting = False
        self.count -= 1
