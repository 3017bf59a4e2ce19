"""The rows of the wire's rules for answers (E11), as data: what a worker says, what the client gets.

Workers are lent machines, so their answers are hostile input.
"""

from __future__ import annotations

from dataclasses import dataclass

REFUSED = "refused"
"""502, or where a part had been forwarded already, an answer that the client can tell is not whole."""
WHOLE = "whole"
BROKEN = "broken"
"""The client can tell that the answer is not whole."""


@dataclass(frozen=True)
class Answer:
    """`body` is what the client reads; `pooled`: the worker's connection is used again; `lives`: the client's is.

    `fields` are lines that the client must see, `hidden` names that it must not. `ends`: the worker closes behind
    the last byte.
    """

    name: str
    rule: str
    said: bytes
    outcome: str = WHOLE
    status: int = 200
    body: bytes = b""
    pooled: bool = True
    lives: bool = True
    ends: bool = False
    method: bytes = b"GET"
    version: bytes = b"HTTP/1.1"
    fields: tuple[tuple[bytes, bytes], ...] = ()
    hidden: tuple[bytes, ...] = ()

    def __str__(self) -> str:
        return self.name


def refused(name: str, rule: str, said: bytes, **more: object) -> Answer:
    return Answer(name, rule, said, REFUSED, pooled=False, **more)  # type: ignore[arg-type]


def head(*lines: bytes, status: bytes = b"200 OK", version: bytes = b"HTTP/1.1") -> bytes:
    return version + b" " + status + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


LENGTH = b"Content-Length: 5"
CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"

STATUS_LINES = [
    Answer("plain", "9112 4", head(LENGTH) + b"hello", body=b"hello"),
    Answer("no reason", "9112 4", head(LENGTH, status=b"200 ") + b"hello", body=b"hello"),
    Answer("no reason, no space", "9112 4", head(LENGTH, status=b"200") + b"hello", body=b"hello"),
    Answer("a reason of obs-text", "9112 4", head(LENGTH, status=b"200 \xe9") + b"hello", body=b"hello"),
    Answer("599", "9110 15", head(LENGTH, status=b"599 Own") + b"hello", status=599, body=b"hello"),
    Answer("HTTP/1.0 closes", "9112 9.3", head(LENGTH, version=b"HTTP/1.0") + b"hello", body=b"hello", pooled=False),
    Answer(
        "HTTP/1.0 keep-alive",
        "9112 C.2.2",
        head(LENGTH, b"Connection: keep-alive", version=b"HTTP/1.0") + b"hello",
        body=b"hello",
    ),
    *(
        refused(f"status line {line!r}", "9112 4", line + b"\r\n" + LENGTH + b"\r\n\r\nhello")
        for line in (
            b"HTTP/1.1 99 x", b"HTTP/1.1 600 x", b"HTTP/1.1 000 x", b"HTTP/1.1 2OO x", b"HTTP/1.1 +20 x",
            b"HTTP/1.1 2000 x", b"HTTP/1.1  200 OK", b"HTTP/1.1\t200 OK", b"HTTP/2 200", b"HTTP/1.2 200 OK",
            b"http/1.1 200 OK", b"HTTP/1.1 200 O\x00K", b"HTTP/1.1 200 O\rK", b"ICY 200 OK", b"", b" HTTP/1.1 200 OK",
        )
    ),
    refused("an empty line before", "9112 2.2", b"\r\n" + head(LENGTH) + b"hello"),
    refused("bare LF", "9112 2.2", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
    refused("no HTTP at all", "9112 4", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
]  # fmt: skip

FIELDS = [
    refused("obs-fold", "9112 5.2", head(b"X: 1", b" 2", LENGTH) + b"hello"),
    refused("space before the colon", "9112 5.1", head(b"X : 1", LENGTH) + b"hello"),
    refused("NUL in a value", "9110 5.5", head(b"X: a\x00b", LENGTH) + b"hello"),
    refused("CR in a value", "9110 5.5", head(b"X: a\rb", LENGTH) + b"hello"),
    refused("LF in a value", "9110 5.5", head(b"X: a\nb", LENGTH) + b"hello"),
    refused("no colon", "9112 5", head(b"X", LENGTH) + b"hello"),
    refused("no name", "9112 5", head(b": 1", LENGTH) + b"hello"),
    refused("a head of 65 KiB", "9112 5", head(*[b"X: " + b"a" * 1000] * 66, LENGTH) + b"hello"),
    refused("201 fields", "9112 5", head(*[b"X: 1"] * 200, LENGTH) + b"hello"),
    Answer("200 fields", "9112 5", head(*[b"X: 1"] * 199, LENGTH) + b"hello", body=b"hello"),
    Answer("obs-text", "9110 5.5", head(b"X: \xe9", LENGTH) + b"hello", body=b"hello", fields=((b"X", b"\xe9"),)),
    Answer(
        "what Connection names goes no further",
        "9110 7.6.1",
        head(b"X: 1", b"Connection: x", b"Keep-Alive: timeout=9", b"Trailer: y", b"Proxy-Authenticate: z", LENGTH)
        + b"hello",
        body=b"hello",
        hidden=(b"X", b"Keep-Alive", b"Trailer", b"Proxy-Authenticate", b"Connection"),
    ),
    Answer(
        "what speaks for the whole site goes no further",
        "9110 17",
        head(
            b"Set-Cookie: a=b", b"Strict-Transport-Security: max-age=1", b'Alt-Svc: h3=":1"', b"Server: x",
            b"Clear-Site-Data: *", b"Service-Worker-Allowed: /", b"X-Accel-Redirect: /etc", b"X-Accel-Charset: x",
            b"X-Accel-Limit-Rate: 1", b"X-Request-ID: theirs", LENGTH,
        ) + b"hello",
        body=b"hello",
        hidden=(
            b"Set-Cookie", b"Strict-Transport-Security", b"Alt-Svc", b"Server", b"Clear-Site-Data",
            b"Service-Worker-Allowed", b"X-Accel-Redirect", b"X-Accel-Charset", b"X-Accel-Limit-Rate",
        ),
    ),
    Answer("close", "9112 9.6", head(LENGTH, b"Connection: close") + b"hello", body=b"hello", pooled=False),
]  # fmt: skip

LENGTHS = [
    *(
        refused(f"Content-Length{value!r}", "9112 6.3", head(b"Content-Length:" + value) + b"hello")
        for value in (b" +5", b" -1", b" 0x5", b"", b" 5, 5", b" 5, 6", b" 05", b" 9223372036854775808", b" \xd9\xa5")
    ),
    refused("Content-Length twice, different", "9112 6.3", head(LENGTH, b"Content-Length: 6") + b"hello!"),
    Answer("Content-Length twice, equal", "9112 6.3", head(LENGTH, LENGTH) + b"hello", body=b"hello"),
    Answer("Content-Length and chunks", "9112 6.3", head(LENGTH, CHUNKED) + CHUNKS, body=b"hello", pooled=False),
    Answer("chunks and Content-Length", "9112 6.3", head(CHUNKED, LENGTH) + CHUNKS, body=b"hello", pooled=False),
    Answer("chunks", "9112 7.1", head(CHUNKED) + CHUNKS, body=b"hello"),
    Answer("chunks in HTTP/1.0", "9112 6.1", head(CHUNKED, version=b"HTTP/1.0") + CHUNKS, body=b"hello", pooled=False),
    Answer("chunks for HTTP/1.0", "9112 7", head(CHUNKED) + CHUNKS, body=b"hello", lives=False, version=b"HTTP/1.0"),
    # RFC 9112 would have a client read `gzip` and `chunked, gzip` to the end of the connection; an intermediary that
    # has removed the coding's name cannot pass on its bytes.
    *(
        refused(f"Transfer-Encoding: {value!r}", "9112 6.1", head(b"Transfer-Encoding: " + value) + CHUNKS)
        for value in (b"gzip", b"gzip, chunked", b"chunked, gzip", b"xchunked", b"chunked, chunked", b"chunked;a", b"")
    ),
    refused("two codings", "9112 6.1", head(CHUNKED, CHUNKED) + CHUNKS),
    *(
        refused(f"chunked {body!r}", "9112 7.1", head(CHUNKED) + body)
        for body in (
            b"5 \r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n",
            b"5\nhello\r\n0\r\n\r\n",
            b"5;\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n",
        )
    ),
    Answer("to the end", "9112 6.3", head() + b"hello", body=b"hello", pooled=False, ends=True),
    Answer(
        "to the end, for HTTP/1.0", "9112 6.3", head() + b"hello", body=b"hello", pooled=False, lives=False, ends=True,
        version=b"HTTP/1.0",
    ),
    Answer("to the end, nothing", "9112 6.3", head(), pooled=False, ends=True),
    Answer("bytes behind it", "9112 9.3.2", head(LENGTH) + b"hello!", body=b"hello", pooled=False),
    Answer("an answer behind it", "9112 9.2", (head(LENGTH) + b"hello") * 2, body=b"hello", pooled=False),
    Answer("bytes behind chunks", "9112 9.3.2", head(CHUNKED) + CHUNKS + b"!", body=b"hello", pooled=False),
]  # fmt: skip

NO_BODIES = [
    Answer("HEAD", "9110 9.3.2", head(LENGTH), method=b"HEAD", fields=((b"Content-Length", b"5"),)),
    Answer("HEAD of chunks", "9110 9.3.2", head(CHUNKED), method=b"HEAD", hidden=(b"Content-Length",)),
    Answer("HEAD with a body", "9112 6.3", head(LENGTH) + b"hello", method=b"HEAD", pooled=False),
    Answer("HEAD to the end", "9112 6.3", head(), method=b"HEAD"),
    Answer("204", "9112 6.3", head(status=b"204 No Content"), status=204, hidden=(b"Content-Length",)),
    Answer(
        "204 with a length",
        "9110 8.6",
        head(b"Content-Length: 0", status=b"204 x"),
        status=204,
        hidden=(b"Content-Length", b"Transfer-Encoding"),
    ),
    refused("204 with a coding that is none", "9112 6.1", head(b"Transfer-Encoding:", status=b"204 x")),
    refused("304 with another coding", "9112 6.1", head(b"Transfer-Encoding: gzip", status=b"304 x")),
    Answer("204 with a body", "9112 6.3", head(LENGTH, status=b"204 x") + b"hello", status=204, pooled=False),
    Answer("204 with chunks", "9112 6.3", head(CHUNKED, status=b"204 x") + CHUNKS, status=204, pooled=False),
    Answer("304", "9110 15.4.5", head(b'ETag: "a"', status=b"304 x"), status=304, fields=((b"ETag", b'"a"'),)),
    Answer("304 with a length", "9110 8.6", head(LENGTH, status=b"304 x"), status=304),
    Answer("304 with a body", "9112 6.3", head(LENGTH, status=b"304 x") + b"hello", status=304, pooled=False),
]

EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
INTERIM = [
    Answer("100 unasked", "9110 15.2.1", b"HTTP/1.1 100 Continue\r\n\r\n" + head(LENGTH) + b"hello", body=b"hello"),
    Answer("103", "9110 15.2", EARLY + head(LENGTH) + b"hello", body=b"hello"),
    Answer(
        "103 for HTTP/1.0",
        "9110 15.2",
        EARLY + head(LENGTH) + b"hello",
        body=b"hello",
        lives=False,
        version=b"HTTP/1.0",
    ),
    Answer("8 times 1xx", "9110 15.2", EARLY * 8 + head(LENGTH) + b"hello", body=b"hello"),
    refused("9 times 1xx", "9110 15.2", EARLY * 9 + head(LENGTH) + b"hello"),
    refused("101 unasked", "9110 15.2.2", head(b"Upgrade: websocket", b"Connection: upgrade", status=b"101 x")),
    Answer("103 with a length", "9112 6.3", head(LENGTH, status=b"103 x") + head(LENGTH) + b"hello", body=b"hello"),
]

TRUNCATED = [
    Answer("in the body", "9112 8", head(LENGTH) + b"hell", BROKEN, body=b"hell", pooled=False, lives=False, ends=True),
    Answer("before the body", "9112 8", head(LENGTH), BROKEN, pooled=False, lives=False, ends=True),
    Answer(
        "in a chunk", "9112 8", head(CHUNKED) + b"5\r\nhell", BROKEN, body=b"hell", pooled=False, lives=False, ends=True
    ),
    Answer(
        "before the last chunk", "9112 8", head(CHUNKED) + b"5\r\nhello\r\n", BROKEN, body=b"hello", pooled=False,
        lives=False, ends=True,
    ),
    Answer(
        "in the trailers", "9112 8", head(CHUNKED) + b"5\r\nhello\r\n0\r\nX: ", BROKEN, body=b"hello", pooled=False,
        lives=False, ends=True,
    ),
    Answer(
        "in a chunk, for HTTP/1.0", "9112 8", head(CHUNKED) + b"5\r\nhell", BROKEN, body=b"hell", pooled=False,
        lives=False, ends=True, version=b"HTTP/1.0",
    ),
    refused("in the head", "9112 8", b"HTTP/1.1 200 OK\r\nContent-Le", ends=True),
    refused("in the status line", "9112 8", b"HTT", ends=True),
]  # fmt: skip

ANSWERS: list[Answer] = [*STATUS_LINES, *FIELDS, *LENGTHS, *NO_BODIES, *INTERIM, *TRUNCATED]
