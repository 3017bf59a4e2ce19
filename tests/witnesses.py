"""Two other parsers as witnesses of ours: llhttp by httptools, and h11.

Neither is the measure. llhttp takes an absent Host, two of them, and odd targets; h11 takes obs-fold and trims more.
So a witness that refuses says nothing by itself: what *both* refuse, ours must refuse, and each that accepts must
have read what we read. The differences that are meant stand in `DIFFERENCES`.
"""

from __future__ import annotations

from typing import Any

import h11
import httptools

from edgeproxy.http.framing import NO_BODY, UNTIL_CHUNKED

Fields = list[tuple[bytes, bytes]]

DIFFERENCES = {
    "absolute target": "RFC 9112 section 3.2.2: ours forwards path and query, its authority becomes the Host",
    "empty reason": "RFC 9112 section 4: the reason is nothing to act on, so `HTTP/1.1 200` passes without its space",
    "names with an underscore": "dropped: an application that reads CGI variables may take them for others",
    "Content-Length twice in an answer": "RFC 9112 section 6.3: the same number twice is one number",
    "Transfer-Encoding beside Content-Length in an answer": "section 6.3: chunked holds, the connection ends there",
    "Upgrade": "RFC 9110 section 7.8: one that is not WebSocket is as if not said, so its body is a body",
    "chunk extensions": "RFC 9112 section 7.1.1: read by their grammar and dropped; h11 takes any text there",
    "trailers": "section 7.1.2: read and dropped; those that would frame or route are refused",
}


class Heard:
    """llhttp's callbacks."""

    def __init__(self) -> None:
        self.target = b""
        self.fields: Fields = []
        self.heads = 0
        self.body = b""
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.heads:
            self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        self.heads += 1

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


def request_by_llhttp(data: bytes) -> tuple[bytes, bytes, Fields] | None:
    """Method, target and fields of a head."""
    heard = Heard()
    parser = httptools.HttpRequestParser(heard)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError:
        if not heard.heads:
            return None
    return (parser.get_method(), heard.target, heard.fields) if heard.heads else None


def request_by_h11(data: bytes) -> h11.Request | None:
    reader = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    reader.receive_data(data)
    try:
        event: Any = reader.next_event()
    except h11.RemoteProtocolError:
        return None
    return event if type(event) is h11.Request else None


def response_by_llhttp(data: bytes) -> tuple[int, Fields] | None:
    heard = Heard()
    parser = httptools.HttpResponseParser(heard)
    try:
        parser.feed_data(data)
    except (httptools.HttpParserUpgrade, httptools.HttpParserError):
        pass
    return (parser.get_status_code(), heard.fields) if heard.heads else None


def response_by_h11(data: bytes) -> Any:
    """A Response or InformationalResponse to a GET."""
    reader = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    reader.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(data)
    try:
        return reader.next_event()
    except h11.RemoteProtocolError:
        return None


CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunks_by_llhttp(body: bytes) -> bytes | None:
    """The payload of a chunked body; None where it is refused or not whole."""
    heard = Heard()
    try:
        httptools.HttpRequestParser(heard).feed_data(CHUNKED + body)
    except httptools.HttpParserError:
        if not heard.complete:
            return None
    return heard.body if heard.complete else None


def chunks_by_h11(body: bytes) -> bytes | None:
    reader = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    reader.receive_data(CHUNKED + body)
    payload = b""
    try:
        while type(event := reader.next_event()) is not h11.EndOfMessage:
            if event is h11.NEED_DATA:
                return None
            if type(event) is h11.Data:
                payload += event.data
    except h11.RemoteProtocolError:
        return None
    return payload


def framing(fields: Fields) -> int:
    """How another parser's fields frame the body of a request."""
    values = {name.lower(): value for name, value in fields}
    if b"transfer-encoding" in values:
        return UNTIL_CHUNKED
    return int(values[b"content-length"]) if b"content-length" in values else NO_BODY
