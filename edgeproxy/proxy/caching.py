"""What the cache does for an exchange: answer it, record the answer that comes, or forget what it makes untrue.

Off the way unless a cache is configured. Lent machines' answers are kept for a minute at most: what one of them says
would else be said to everybody for as long as it likes.
"""

from __future__ import annotations

from typing import Protocol

from edgeproxy.cache.store import Entry, Store
from edgeproxy.errors import NOT_STORED, Fault
from edgeproxy.http.answer import STATUS_LINES
from edgeproxy.http.framing import NO_BODY, UNTIL_CLOSE, content_length
from edgeproxy.http.response import ResponseHead
from edgeproxy.policy.freshness import Asked, Said, asked_by, fresh, selected, unchanged
from edgeproxy.proxy.exchange import Exchange
from edgeproxy.proxy.relay import VIA

LENT_LIFETIME = 60
"""Seconds for which the answer of a worker whom nobody vouches for is kept at most."""

_SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS"})
_STATUS = b"Cache-Status: edgeproxy; "  # RFC 9211
_AGE = b"age"
_LARGE = 16 * 1024  # bytes that it pays not to copy


class Recorder(Protocol):
    """Follows the answer of an exchange."""

    def begin(self, exchange: Exchange, head: ResponseHead, now: float, date: bytes) -> bool:
        """The final head has come, and `date` is the field for it; whether the body is wanted too."""

    def add(self, payload: bytes) -> None:
        """A piece of the body."""

    def finish(self) -> None:
        """The answer is whole, and forwarded."""


def consult(store: Store, exchange: Exchange, now: float) -> Entry | Fault | None:
    """The stored answer to this request, or why there can be none; with None the worker is asked."""
    found = _look_up(store, exchange, now)
    if not isinstance(found, bytes):
        return found
    exchange.cache_status = _STATUS + found + b"\r\n"
    return None


def _look_up(store: Store, exchange: Exchange, now: float) -> Entry | Fault | bytes:
    """The answer, or in RFC 9211's words why the request is forwarded."""
    head = exchange.head
    if head.method not in _SAFE:
        exchange.record = Invalidation(store, key_of(exchange))
        return b"fwd=method"
    asked = asked_by(head.fields)
    if head.method == b"OPTIONS" or head.length > 0 or head.length < NO_BODY or head.websocket_key or not asked.whole:
        return b"fwd=bypass"
    key = key_of(exchange)
    lines = head.fields + exchange.credentials if exchange.credentials else head.fields  # answers may vary by them
    entry = store.find(key, lines)
    if entry is not None and fresh(asked, entry.lifetime, entry.age(now)):
        store.counters.cache_hits += 1
        return entry
    store.counters.cache_misses += 1
    if asked.only_stored:
        return NOT_STORED
    if head.method == b"GET" and not asked.no_store:
        exchange.record = Recording(store, key, asked, lines)
    return _why(entry, asked)


def _why(entry: Entry | None, asked: Asked) -> bytes:
    if entry is None:
        return b"fwd=miss"
    return b"fwd=request" if asked.no_cache or asked.max_age is not None else b"fwd=stale"


def key_of(exchange: Exchange) -> bytes:
    """Everything that the worker may make its answer of beside what `Vary` names: who was asked, by the word of a
    trusted proxy too, and for what (RFC 9111 section 2)."""
    head = exchange.head
    site = head.host.lower() + b" "
    if head.forwarded and exchange.client.trusted:
        site += _told(head.forwarded)
    return site + head.target


def _told(forwarded: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b=%b " % (name.lower(), value) for name, value in forwarded if _names_a_site(name.lower()))


def _names_a_site(name: bytes) -> bool:
    return name == b"forwarded" or (name.startswith(b"x-forwarded-") and name != b"x-forwarded-for")


def stored_answer(entry: Entry, exchange: Exchange, now: float) -> tuple[bytes, bytes]:
    """An answer from the store: all of it, or where it is large its head and its body. To HEAD, and where the client
    has it (304), it has none."""
    asked = asked_by(exchange.head.fields)
    known = entry.status == 200 and unchanged(asked, entry.etag, entry.last_modified)
    age = entry.age(now)
    if known:
        exchange.status = 304
        begin = _beginning(entry, age, 304)
    else:
        exchange.status = entry.status
        if entry.shown_age != age:  # in one second all begin alike
            entry.shown, entry.shown_age = _beginning(entry, age, entry.status), age
        begin = entry.shown
    body = b"" if known or exchange.head.method == b"HEAD" else entry.body
    exchange.bytes_out = len(body)
    large = len(body) > _LARGE
    answer = b"".join(
        (
            begin,
            b"" if exchange.cors else entry.cors,
            exchange.added,
            b"X-Request-ID: ",
            exchange.request_id,
            _connection(exchange),
            b"" if large else body,
        )
    )
    return answer, body if large else b""


def _beginning(entry: Entry, age: int, status: int) -> bytes:
    """The head as far as all who ask in one second have it alike."""
    length = b"" if status in (204, 304) else content_length(len(entry.body))
    told = b"Age: %d\r\n%bhit; ttl=%d\r\n" % (age, _STATUS, entry.lifetime - age)
    return b"".join((STATUS_LINES[status], entry.fields, length, told, VIA))


def _connection(exchange: Exchange) -> bytes:
    if exchange.close:
        return b"\r\nConnection: close\r\n\r\n"
    return b"\r\n\r\n" if exchange.head.minor == 1 else b"\r\nConnection: keep-alive\r\n\r\n"


class Recording:
    """Makes an entry of the answer as it passes."""

    def __init__(self, store: Store, key: bytes, asked: Asked, lines: bytes) -> None:
        self._store = store
        self._key = key
        self._asked = asked
        self._lines = lines
        self._pieces: list[bytes] = []
        self._size = 0
        self._status = 0
        self._fields = b""
        self._cors = b""
        self._said: Said | None = None
        self._lifetime = 0
        self._born = 0.0

    def begin(self, exchange: Exchange, head: ResponseHead, now: float, date: bytes) -> bool:
        said = Said(head.status, head.fields + head.guarded, self._asked, known=bool(exchange.credentials))
        self._lifetime = said.lifetime if exchange.route.trusted else min(said.lifetime, LENT_LIFETIME)
        if self._lifetime <= said.age or head.length == UNTIL_CLOSE or head.length > self._store.max_entry:
            return False  # too old, of unknown end (section 3.3), or too large
        self._said = said
        self._status = head.status
        self._fields = _without_age(head.fields + head.guarded if exchange.route.trusted else head.fields, said)
        self._cors = head.cors
        if not said.dated:  # RFC 9110 section 6.6.1
            self._fields += date
        self._born = now - said.age
        if head.length >= NO_BODY:
            exchange.cache_status = exchange.cache_status.replace(b"\r\n", b"; stored\r\n")
        return True

    def add(self, payload: bytes) -> None:
        self._size += len(payload)
        if self._size > self._store.max_entry:
            self._said = None
            self._pieces.clear()
        elif self._said is not None:
            self._pieces.append(payload)

    def finish(self) -> None:
        said = self._said
        if said is None or said.vary is None:
            return
        self._store.put(
            Entry(
                self._key,
                self._status,
                self._fields,
                b"".join(self._pieces),
                cors=self._cors,
                born=self._born,
                lifetime=self._lifetime,
                vary=said.vary,
                selected=selected(self._lines, said.vary),
                etag=said.etag,
                last_modified=said.last_modified,
            )
        )


def _without_age(fields: bytes, said: Said) -> bytes:
    if not said.age:
        return fields
    lines = fields.split(b"\r\n")
    return b"".join(line + b"\r\n" for line in lines if line and line.partition(b":")[0].lower() != _AGE)


class Invalidation:
    """What is written makes untrue what was read (RFC 9111 section 4.4)."""

    def __init__(self, store: Store, key: bytes) -> None:
        self._store = store
        self._key = key
        self._done = False

    def begin(self, exchange: Exchange, head: ResponseHead, now: float, date: bytes) -> bool:
        self._done = 200 <= head.status < 400
        return False

    def add(self, payload: bytes) -> None:
        """Not wanted."""

    def finish(self) -> None:
        if self._done:
            self._store.remove(self._key)
