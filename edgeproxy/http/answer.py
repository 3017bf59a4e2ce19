"""Answers that the edge itself gives: error documents in the dialect of the route (RFC 9457, or OpenAI's shape)."""

from __future__ import annotations

from http import HTTPStatus

import orjson

from edgeproxy.errors import Fault
from edgeproxy.http.framing import content_length

PROBLEM = "problem"
OPENAI = "openai"

STATUS_LINES: dict[int, bytes] = {
    status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode("ascii")) for status in HTTPStatus
}

_ALLOW = b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

_CONTENT_TYPES = {PROBLEM: b"application/problem+json", OPENAI: b"application/json"}


def error_body(fault: Fault, detail: str, request_id: bytes, dialect: str) -> bytes:
    """The JSON document for one fault; `detail` says what to change and holds none of the peer's bytes."""
    if dialect == OPENAI:
        kind = "invalid_request_error" if fault.status < 500 else "server_error"
        error = {"message": detail or fault.title, "type": kind, "param": None, "code": fault.name}
        return orjson.dumps({"error": error})
    document = {
        "type": f"urn:edgeproxy:problem:{fault.name}",
        "title": fault.title,
        "status": fault.status,
        "request_id": request_id.decode("latin-1"),
    }
    if detail:
        document["detail"] = detail
    return orjson.dumps(document)


class _Document:
    """What is the same in every answer with one fault: made once for each, since an attacker can have many of them.
    `start`: the status line and the fields; the body is `before`, the request's id where it is `named`, `behind`."""

    __slots__ = ("before", "behind", "named", "start")

    def __init__(self, fault: Fault, detail: str, dialect: str) -> None:
        self.named = dialect != OPENAI
        self.start = _start(fault, dialect)
        self.before, self.behind = error_body(fault, detail, _ID, dialect), b""
        if self.named:
            self.before, _, self.behind = self.before.partition(_ID)


def error_answer(
    fault: Fault,
    detail: str,
    request_id: bytes,
    dialect: str,
    date: bytes,
    close: bool,
    to_head: bool,
    added: bytes = b"",
) -> bytes:
    """One whole response, head and body; `date` and `added` are field lines with CRLF, `to_head` leaves the body
    out."""
    document = _document(fault, detail, dialect)
    if not document.named:
        body = document.before
    elif stands_in_json(request_id):
        body = document.before + request_id + document.behind
    else:
        body = error_body(fault, detail, request_id, dialect)  # a trusted proxy's own idea of an id
    return b"".join(
        (
            document.start,
            date,
            added,
            content_length(len(body)),
            b"X-Request-ID: ",
            request_id,
            b"\r\nConnection: close\r\n\r\n" if close else b"\r\n\r\n",
            b"" if to_head else body,
        )
    )


def _document(fault: Fault, detail: str, dialect: str) -> _Document:
    key = (fault.name, detail, dialect)
    document = _documents.get(key)
    if document is None:
        document = _Document(fault, detail, dialect)
        if len(_documents) < _MOST_DOCUMENTS:  # details are sentences of ours: this is never reached
            _documents[key] = document
    return document


def _start(fault: Fault, dialect: str) -> bytes:
    lines = [STATUS_LINES[fault.status] + b"Content-Type: " + _CONTENT_TYPES[dialect], b"Cache-Control: no-store"]
    if fault.retry_after is not None:
        lines.append(b"Retry-After: %d" % fault.retry_after)
    if fault.status == 405:
        lines.append(_ALLOW)
    return b"\r\n".join(lines) + b"\r\n"


def stands_in_json(text: bytes) -> bool:
    """Whether the bytes are a JSON string's content as they are."""
    for byte in text:  # noqa: SIM110  # as a loop it compiles to one
        if byte in (_QUOTE, _BACKSLASH) or not _SPACE <= byte <= _TILDE:
            return False
    return True


_QUOTE, _BACKSLASH, _SPACE, _TILDE = 0x22, 0x5C, 0x20, 0x7E
_ID = b"the-request-id"
_MOST_DOCUMENTS = 1000
_documents: dict[tuple[str, str, str], _Document] = {}


def plain_answer(
    body: bytes, content_type: bytes, request_id: bytes, date: bytes, close: bool, to_head: bool, added: bytes = b""
) -> bytes:
    """A 200 of the edge's own, such as `/health`."""
    head = b"".join(
        (
            STATUS_LINES[200],
            date,
            added,
            b"Content-Type: %b\r\nContent-Length: %d\r\nCache-Control: no-store\r\n" % (content_type, len(body)),
            b"X-Request-ID: %b\r\n" % request_id,
            b"Connection: close\r\n\r\n" if close else b"\r\n",
        )
    )
    return head if to_head else head + body


def preflight_answer(added: bytes, request_id: bytes, date: bytes, close: bool) -> bytes:
    """To a CORS preflight; a 204 has no body and no length (RFC 9110 section 8.6)."""
    ending = b"Connection: close\r\n\r\n" if close else b"\r\n"
    return b"%b%b%bX-Request-ID: %b\r\n%b" % (STATUS_LINES[204], date, added, request_id, ending)


def options_answer(request_id: bytes, date: bytes, close: bool) -> bytes:
    """To `OPTIONS *`, which asks the edge itself (RFC 9110 section 9.3.7)."""
    ending = b"Connection: close\r\n\r\n" if close else b"\r\n"
    return b"%b%b%b\r\nX-Request-ID: %b\r\n%b" % (STATUS_LINES[204], date, _ALLOW, request_id, ending)
