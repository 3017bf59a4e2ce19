"""What must hold of every input: `check` raises AssertionError, or what is no ProtocolError, where it does not."""

from __future__ import annotations

import re
import zlib
from time import process_time

import h11

from edgeproxy.errors import BAD_RESPONSE, MALFORMED, Fault, ProtocolError, Source
from edgeproxy.http.body import BodyReader
from edgeproxy.http.bounds import USUAL
from edgeproxy.http.chunked import chunk
from edgeproxy.http.fields import (
    API_KEY,
    ASKED_FIELDS,
    ASKED_METHOD,
    AUTHORIZATION,
    LOOP,
    ORIGIN,
    PLAIN,
    REQUEST_FIELDS,
    RESPONSE_FIELDS,
    SINGLE,
    WEBSOCKET_KEY,
    WEBSOCKET_VERSION,
    FieldNames,
)
from edgeproxy.http.framing import NO_BODY, UNTIL_CHUNKED, UNTIL_CLOSE
from edgeproxy.http.request import RequestHead, parse_request
from edgeproxy.http.response import ResponseHead, parse_response
from edgeproxy.http.scan import head_end
from edgeproxy.policy.worker import Worker
from edgeproxy.proxy.relay import interim_head, request_head, response_start
from tests import witnesses
from tests.fuzz.corpus import CHUNKS, REQUEST, RESPONSE
from tests.proxy.test_relay import exchange
from tests.witnesses import Fields, framing

SECONDS = 1.0
"""CPU time that our own part of an input may take: a thousand times what the longest takes interpreted."""
OVERHEAD = 2048
"""Bytes that we may hold beyond twice the input: what we add to a head, and joined pieces."""
ADDED = 10
"""Fields that ours adds at most: beyond the bound without them, a head that we sent would be refused."""

_ORIGIN = re.compile(rb"^https?://[^/?]*", re.IGNORECASE)
WORKER = Worker("w", "10.0.0.1", 8000)
ASKED = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
KEPT = (
    PLAIN,
    SINGLE,
    WEBSOCKET_KEY,
    WEBSOCKET_VERSION,
    AUTHORIZATION,
    API_KEY,
    ORIGIN,
    ASKED_METHOD,
    ASKED_FIELDS,
    LOOP,
)


def check(data: bytes) -> bool:
    """Whether ours accepted it."""
    kind, content = data[:1], data[1:]
    if kind == REQUEST:
        return _check_request(content)
    if kind == RESPONSE:
        return _check_response(content)
    return _check_chunks(content) if kind == CHUNKS else False


def _must(condition: bool, what: str) -> None:
    assert condition, what


def _check_request(data: bytes) -> bool:
    end = _head_end(data)
    if end < 0:
        return False
    started = process_time()
    head = _parsed_request(data, end)
    assert process_time() - started < SECONDS, "too long"
    if head is None:
        return False
    assert len(head.fields) <= 2 * end + OVERHEAD
    _witness_request(head, data[: end + 4])
    if head.count <= USUAL.fields - ADDED:
        _relay_request(data[: end + 4])
    _read_body(head.length, data[end + 4 :], MALFORMED)
    return True


def _head_end(data: bytes) -> int:
    end = head_end(data)
    assert end == data.find(b"\r\n\r\n")
    return end


def _parsed_request(data: bytes, end: int) -> RequestHead | None:
    try:
        return parse_request(data, end)
    except ProtocolError as error:
        _must(error.fault.source is Source.DOWNSTREAM and 400 <= error.fault.status <= 505, "a fault of the client's")
        return None


def _witness_request(head: RequestHead, data: bytes) -> None:
    llhttp, strict = witnesses.request_by_llhttp(data), witnesses.request_by_h11(data)
    assert llhttp is not None or strict is not None, "both refuse it"
    if llhttp is not None:
        method, target, fields = llhttp
        assert method == head.method
        assert _same_target(target, head.target)
        assert framing(fields) == head.length
        assert sorted(_lines(head.fields + head.credentials)) == sorted(_end_to_end(fields, REQUEST_FIELDS))
    if strict is not None:
        assert bytes(strict.method) == head.method
        assert _same_target(bytes(strict.target), head.target)
        assert framing(list(strict.headers)) == head.length


def _same_target(theirs: bytes, ours: bytes) -> bool:
    """Of an absolute target ours keeps path and query, from a slash on (RFC 9112 section 3.2.2)."""
    rest = _ORIGIN.sub(b"", theirs)
    return ours == theirs if rest == theirs else ours.removeprefix(b"/") == rest.removeprefix(b"/")


def _lines(fields: bytes) -> Fields:
    pairs = [line.partition(b":") for line in fields.split(b"\r\n")[:-1]]
    return [(name, value.strip(b" \t")) for name, _, value in pairs]


def _end_to_end(fields: Fields, names: FieldNames) -> Fields:
    """Those of a witness that we pass on: by kind, and not named by Connection."""
    named = {
        option.strip(b" \t").lower()
        for name, value in fields
        if name.lower() == b"connection"
        for option in value.split(b",")
    }
    return [
        (name, value.strip(b" \t"))
        for name, value in fields
        if names.kind(name, MALFORMED) in KEPT and name.lower() not in named
    ]


def _relay_request(data: bytes) -> None:
    """parse(serialise(x)) = x: what the worker gets reads as what we understood."""
    first = exchange(data)
    head = first.head
    sent = request_head(first, WORKER)
    again = exchange(sent).head
    assert (again.method, again.target) == (head.method, head.target)
    assert again.length == head.length or (head.length == NO_BODY and again.length == 0)
    assert again.websocket_key == head.websocket_key
    via = b"1.1 edgeproxy" if head.minor else b"1.0 edgeproxy"
    assert sorted(_lines(again.fields)) == sorted([*_lines(head.fields), (b"Via", via)])
    assert again.credentials == head.credentials
    assert len(sent) <= len(data) + OVERHEAD


def _check_response(data: bytes) -> bool:
    end = _head_end(data)
    if end < 0:
        return False
    started = process_time()
    head = _parsed_response(data, end)
    assert process_time() - started < SECONDS, "too long"
    if head is None:
        return False
    assert len(head.fields) + len(head.guarded) <= 2 * end + OVERHEAD
    _witness_response(head, data[: end + 4])
    if head.count <= USUAL.fields - ADDED:
        _relay_response(data[: end + 4], head)
    _read_body(head.length, data[end + 4 :], BAD_RESPONSE)
    return True


def _parsed_response(data: bytes, end: int) -> ResponseHead | None:
    try:
        return parse_response(data, end, False)
    except ProtocolError as error:
        _must(error.fault is BAD_RESPONSE, "a fault of the worker's")
        return None


def _witness_response(head: ResponseHead, data: bytes) -> None:
    strict, llhttp = witnesses.response_by_h11(data), witnesses.response_by_llhttp(data)
    assert strict is not None or llhttp is not None, "both refuse it"
    if llhttp is not None:
        status, fields = llhttp
        assert status == head.status
        kept = [field for field in _lines(head.fields) if field[0].lower() != b"content-length"]  # of a 304
        assert kept == _end_to_end(fields, RESPONSE_FIELDS)
    if type(strict) is h11.Response:
        assert strict.status_code == head.status
        values = dict(strict.headers)
        if head.length >= 0:
            assert int(values[b"content-length"]) == head.length
        elif head.length == UNTIL_CHUNKED:
            assert values[b"transfer-encoding"].lower() == b"chunked"
        elif head.length == UNTIL_CLOSE:
            assert not values.keys() & {b"content-length", b"transfer-encoding"}


def _relay_response(data: bytes, head: ResponseHead) -> None:
    sent = interim_head(head) if head.status < 200 else response_start(exchange(ASKED), head, b"", False)
    again = parse_response(sent, _head_end(sent), False)
    assert (again.status, again.minor) == (head.status, 1)
    assert again.length == (UNTIL_CHUNKED if head.length == UNTIL_CLOSE else head.length)
    kept = [field for field in _lines(head.fields) if field[0].lower() != b"content-length"]  # of a 304
    assert [field for field in _lines(again.fields) if field in kept] == kept
    assert len(sent) <= len(data) + OVERHEAD


def _check_chunks(data: bytes) -> bool:
    read = _read_body(UNTIL_CHUNKED, data, MALFORMED)
    if read is None:
        return False
    payload, rest = read
    body = data[: len(data) - len(rest)]
    theirs = (witnesses.chunks_by_llhttp(body), witnesses.chunks_by_h11(body))
    assert any(each is not None for each in theirs), "both refuse it"
    assert all(each in (None, payload) for each in theirs)
    reader = BodyReader(UNTIL_CHUNKED, MALFORMED)
    assert reader.feed((chunk(payload) if payload else b"") + b"0\r\n\r\n") == (payload, b"")
    return True


def _read_body(length: int, data: bytes, fault: Fault) -> tuple[bytes, bytes] | None:
    """The same, whole and cut anywhere; None where it is refused or not whole."""
    started = process_time()
    whole = _fed([data], length, fault)
    cut = zlib.crc32(data) % (len(data) + 1)
    assert _fed([data[:cut], data[cut:]], length, fault) == whole
    assert _fed([data[at : at + 1] for at in range(len(data))], length, fault) == whole
    assert process_time() - started < SECONDS, "too long"
    return whole


def _fed(pieces: list[bytes], length: int, fault: Fault) -> tuple[bytes, bytes] | None:
    reader = BodyReader(length, fault)
    payload = rest = b""
    try:
        for piece in pieces:
            got, over = reader.feed(piece)
            payload += got
            rest += over
            assert not rest or reader.done
    except ProtocolError as error:
        _must(error.fault is fault, "the reader's own fault")
        return None
    return (payload, rest) if reader.done or length == UNTIL_CLOSE else None
