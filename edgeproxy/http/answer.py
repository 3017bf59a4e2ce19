"""Answers that the edge itself gives: error documents in the dialect of the route (RFC 9457, or OpenAI's shape)."""

from __future__ import annotations

from http import HTTPStatus

import orjson

from edgeproxy.errors import Fault

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
    start, end = _document(fault, detail, dialect)
    if dialect == OPENAI:
        body = end
    elif b'"' in request_id or b"\\" in request_id or b"\t" in request_id or not request_id.isascii():
        body = error_body(fault, detail, request_id, dialect)  # a trusted proxy's own idea of an id
    else:
        body = start + request_id + end
    head = b"".join(
        (
            _head_start(fault, dialect),
            date,
            added,
            b"Content-Length: %d\r\nX-Request-ID: " % len(body),
            request_id,
            b"\r\nConnection: close\r\n\r\n" if close else b"\r\n\r\n",
        )
    )
    return head if to_head else head + body


def _head_start(fault: Fault, dialect: str) -> bytes:
    """The status line and the fields that are the same for every answer with this fault."""
    start = _head_starts.get((fault.name, dialect))
    if start is None:
        lines = [STATUS_LINES[fault.status] + b"Content-Type: " + _CONTENT_TYPES[dialect], b"Cache-Control: no-store"]
        if fault.retry_after is not None:
            lines.append(b"Retry-After: %d" % fault.retry_after)
        if fault.status == 405:
            lines.append(_ALLOW)
        start = _head_starts[fault.name, dialect] = b"\r\n".join(lines) + b"\r\n"
    return start


def _document(fault: Fault, detail: str, dialect: str) -> tuple[bytes, bytes]:
    """The document before and behind the request's id; made once for each kind of fault, since an attacker can have
    many of them."""
    key = (fault.name, detail, dialect)
    made = _documents.get(key)
    if made is None:
        body = error_body(fault, detail, _ID, dialect)
        before, _, behind = body.rpartition(_ID) if dialect != OPENAI else (b"", b"", body)
        made = before, behind
        if len(_documents) < _MOST_DOCUMENTS:  # details are sentences of ours: this is never reached
            _documents[key] = made
    return made


_ID = b"the-request-id"
_MOST_DOCUMENTS = 1000
_head_starts: dict[tuple[str, str], bytes] = {}
_documents: dict[tuple[str, str, str], tuple[bytes, bytes]] = {}


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
