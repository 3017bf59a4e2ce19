"""The rows of the wire's rules for requests, as data: what a client sends, what it gets, what a worker saw.

One behaviour a case; `rule` is the section of the RFC that decides it (9110 and 9112 unless another is named).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.wire.world import OK

Seen = tuple[bytes, tuple[bytes, ...], bytes]
"""A request as a worker reads it: line, field lines without those the edge adds to all, body."""

HOST = b"Host: a\r\n"


@dataclass(frozen=True)
class Case:
    """`gets` are the statuses of the answers, in order; `lives`: the connection takes another request after them."""

    row: str
    name: str
    rule: str
    sent: bytes
    gets: tuple[int, ...]
    lives: bool
    saw: tuple[Seen, ...] = ()
    methods: tuple[bytes, ...] = (b"GET",)
    answer: bytes = OK

    def __str__(self) -> str:
        return f"{self.row} {self.name}"


@dataclass
class Table:
    """Collects the cases of one row."""

    row: str
    cases: list[Case] = field(default_factory=list)

    def refused(self, name: str, rule: str, sent: bytes, status: int = 400) -> None:
        """One answer, then the connection ends; no worker has seen a whole request."""
        self.cases.append(Case(self.row, name, rule, sent, (status,), False))

    def passed(self, name: str, rule: str, sent: bytes, *saw: Seen, lives: bool = True, method: bytes = b"GET") -> None:
        """Answered by a worker."""
        self.cases.append(Case(self.row, name, rule, sent, (200,) * len(saw), lives, saw, (method,)))

    def case(self, name: str, rule: str, sent: bytes, gets: tuple[int, ...], lives: bool, *saw: Seen) -> None:
        self.cases.append(Case(self.row, name, rule, sent, gets, lives, saw))


def get(*lines: bytes, target: bytes = b"/") -> Seen:
    return b"GET " + target + b" HTTP/1.1", lines, b""


def post(body: bytes, *lines: bytes) -> Seen:
    return b"POST / HTTP/1.1", (*lines, b"Content-Length: %d" % len(body)), body


def posted_chunks(body: bytes, *lines: bytes) -> Seen:
    return b"POST / HTTP/1.1", (*lines, b"Transfer-Encoding: chunked"), body


# E1: the request line.

e1 = Table("E1")
for name, line in {
    "bare LF ends the line": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "bare LF everywhere": b"GET / HTTP/1.1\nHost: a\n\n",
    "bare LF ends the head": b"GET / HTTP/1.1\r\nHost: a\n\n\r\n\r\n",
    "bare CR in the target": b"GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n",
    "bare CR ends the line": b"GET / HTTP/1.1\rHost: a\r\n\r\n",
    "CR before CRLF": b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
}.items():
    e1.refused(name, "9112 2.2", line)
e1.passed("one empty line before", "9112 2.2", b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", get())
e1.refused("two empty lines before", "9112 2.2", b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
e1.refused("an LF before", "9112 2.2", b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
for name, line in {
    "two spaces before the target": b"GET  / HTTP/1.1",
    "two spaces behind the target": b"GET /  HTTP/1.1",
    "a tab before the target": b"GET\t/ HTTP/1.1",
    "a tab behind the target": b"GET /\tHTTP/1.1",
    "a space at the end": b"GET / HTTP/1.1 ",
    "a space at the beginning": b" GET / HTTP/1.1",
    "no target": b"GET HTTP/1.1",
    "an empty target": b"GET  HTTP/1.1",
    "no method": b"/ HTTP/1.1",
}.items():
    e1.refused(name, "9112 3", line + b"\r\nHost: a\r\n\r\n")
for name, target in {
    "a space": b"/a b",
    "NUL": b"/a\x00",
    "a control byte": b"/a\x1f",
    "DEL": b"/a\x7f",
    "a byte of UTF-8": b"/\xc3\xa9",
    "a fragment": b"/a#b",
    "no slash": b"a",
    "a scheme of its own": b"ftp://a/",
    "userinfo": b"http://me@a/",
    "no authority": b"http:///a",
}.items():
    e1.refused(f"{name} in the target", "9112 3.2", b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
ODD = b'/"<>\\^`{|}?a=%00&b=[]'
e1.passed("what browsers send in targets", "9112 3.2", b"GET " + ODD + b" HTTP/1.1\r\nHost: a\r\n\r\n", get(target=ODD))
for version, status in {
    b"HTTP/1.2": 400,
    b"HTTP/1.9": 400,
    b"HTTP/01.1": 400,
    b"HTTP/1.01": 400,
    b"http/1.1": 400,
    b"HTTP/1": 400,
    b"HTTP/ 1.1": 400,
    b"HTTP/1.1.1": 400,
    b"HTTP/11": 400,
    b"HTTPS/1.1": 400,
    b"HTTP/2.0": 505,
    b"HTTP/3.0": 505,
    b"HTTP/0.9": 505,
}.items():
    e1.refused(version.decode(), "9112 2.3", b"GET / " + version + b"\r\nHost: a\r\n\r\n", status)
e1.refused("HTTP/0.9, no version", "9112 3", b"GET /\r\n\r\n")
e1.passed("HTTP/1.0", "9112 9.3", b"GET / HTTP/1.0\r\n\r\n", get(), lives=False)
e1.passed(
    "HTTP/1.0 keep-alive",
    "9112 C.2.2",
    b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    get(),
    lives=True,
)
e1.refused(
    "Transfer-Encoding in HTTP/1.0",
    "9112 6.1",
    b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
)
e1.refused("a method that is no token", "9110 9.1", b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n")
e1.refused("a method of 33 bytes", "9110 9.1", b"A" * 33 + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
e1.passed(
    "an unknown method of 32 bytes",
    "9110 9.1",
    b"A" * 32 + b" / HTTP/1.1\r\nHost: a\r\n\r\n",
    (b"A" * 32 + b" / HTTP/1.1", (), b""),
)
e1.refused("CONNECT", "9110 9.3.6", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405)
e1.refused("TRACE", "9110 9.3.8", b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405)
e1.refused("GET *", "9112 3.2.4", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n")
e1.case("OPTIONS *", "9112 3.2.4", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", (204,), True)
e1.passed("an absolute target", "9112 3.2.2", b"GET http://b/x?y HTTP/1.1\r\nHost: a\r\n\r\n", get(target=b"/x?y"))
e1.passed(
    "an absolute target without path", "9112 3.2.2", b"GET http://b?y HTTP/1.1\r\nHost: a\r\n\r\n", get(target=b"/?y")
)
e1.refused("the preface of HTTP/2", "9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)
e1.refused("a target of 9 KiB", "9110 15.5.15", b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414)
e1.refused("a TLS hello", "9112 3", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")

# E2: Host.

e2 = Table("E2")
e2.refused("none", "9112 3.2", b"GET / HTTP/1.1\r\n\r\n")
e2.refused("none beside an absolute target", "9112 3.2", b"GET http://a/ HTTP/1.1\r\n\r\n")
e2.refused("two, equal", "9112 3.2", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n")
e2.refused("two, different case", "9112 3.2", b"GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n")
for name, value in {
    "a list": b"a,b",
    "userinfo": b"me@a",
    "a path": b"a/b",
    "a space": b"a b",
    "a query": b"a?b",
    "empty": b"",
    "only a port": b":80",
    "a port that is none": b"a:b",
    "two ports": b"a:1:2",
    "a byte of UTF-8": b"\xc3\xa9",
    "a quote": b'a"',
    "an open bracket": b"[::1",
}.items():
    e2.refused(name, "9112 3.2", b"GET / HTTP/1.1\r\nHost: " + value + b"\r\n\r\n")
e2.refused("NUL", "9110 5.5", b"GET / HTTP/1.1\r\nHost: a\x00\r\n\r\n")
for value in (b"a", b"a.example:8787", b"192.0.2.1", b"[2001:db8::1]:80", b"xn--e1afmkfd.example"):
    e2.passed(value.decode(), "9112 3.2", b"GET / HTTP/1.1\r\nHost: " + value + b"\r\n\r\n", get())
e2.passed("blanks around", "9112 5.1", b"GET / HTTP/1.1\r\nHost: \t a \t\r\n\r\n", get())

# E3: fields.

e3 = Table("E3")


def with_fields(*lines: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


e3.refused("space before the colon", "9112 5.1", with_fields(b"X : 1"))
e3.refused("tab before the colon", "9112 5.1", with_fields(b"X\t: 1"))
e3.refused("space before a framing colon", "9112 5.1", with_fields(b"Content-Length : 1"))
e3.refused("obs-fold", "9112 5.2", with_fields(b"X: 1", b" 2"))
e3.refused("obs-fold by tab", "9112 5.2", with_fields(b"X: 1", b"\t2"))
e3.refused("a blank line start before the first field", "9112 2.2", b"GET / HTTP/1.1\r\n X: 1\r\nHost: a\r\n\r\n")
e3.refused("no colon", "9112 5", with_fields(b"X"))
e3.refused("no name", "9112 5", with_fields(b": 1"))
for byte in b'"(),/;<=>?@[\\]{}\x7f\x01\x80\xff':
    e3.refused(f"byte {byte:#04x} in a name", "9110 5.1", with_fields(b"X%cY: 1" % byte))
for byte in (0, 1, 8, 0x0B, 0x0C, 0x1F, 0x7F):
    e3.refused(f"byte {byte:#04x} in a value", "9110 5.5", with_fields(b"X: a%cb" % byte))
e3.refused("bare CR in a value", "9112 2.2", with_fields(b"X: a\rb"))
e3.refused("bare LF in a value", "9112 2.2", with_fields(b"X: a\nY: b"))
for name in (
    b"Content_Length",
    b"content.length",
    b"Transfer_Encoding",
    b"X_Forwarded_For",
    b"X.Forwarded-For",
    b"X-Forwarded_Proto",
    b"X.Forwarded.User",
    b"X_Real_IP",
    b"X_Request_ID",
    b"Content_Type",
    b"Proxy_Authorization",
):
    e3.refused(f"{name.decode()} imitates", "9110 17.10", with_fields(name + b": 1"))
e3.passed("another name with _ is dropped", "9110 17.10", with_fields(b"my_name: 1"), get())
e3.passed("another name with . stays", "9110 5.1", with_fields(b"my.name: 1"), get(b"my.name: 1"))
e3.passed("obs-text stays as it is", "9110 5.5", with_fields(b"X: \xe9\xff\x80"), get(b"X: \xe9\xff\x80"))
e3.passed("tab in a value stays", "9110 5.5", with_fields(b"X: a\tb"), get(b"X: a\tb"))
e3.passed("an empty value stays", "9110 5.5", with_fields(b"X:"), get(b"X: "))
e3.passed("blanks around a value go", "9112 5.1", with_fields(b"X:\t 1 \t"), get(b"X: 1"))
e3.passed("no blank becomes one", "9112 5.1", with_fields(b"X:1", b"Y: 2"), get(b"X: 1", b"Y: 2"))
e3.passed(
    "one field twice stays, in order",
    "9110 5.3",
    with_fields(b"X: 1", b"Y: 2", b"x: 3"),
    get(b"X: 1", b"Y: 2", b"x: 3"),
)
e3.passed("100 fields", "9110 5.4", with_fields(*[b"X: 1"] * 99), get(*[b"X: 1"] * 99))
e3.refused("101 fields", "6585 5", with_fields(*[b"X: 1"] * 100), 431)
e3.refused("a head of 17 KiB", "6585 5", with_fields(*[b"X: " + b"a" * 1000] * 17), 431)
e3.refused("a head without end", "6585 5", b"GET / HTTP/1.1\r\nX: " + b"a" * 17000, 431)
for name in (b"Content-Type", b"Authorization", b"Upgrade", b"Expect"):
    e3.refused(f"{name.decode()} twice", "9110 5.3", with_fields(name + b": 100-continue", name + b": 100-continue"))
for name in (b"X-Forwarded-For", b"Host", b"Authorization", b"Content-Length", b"Transfer-Encoding", b"X-Request-ID"):
    e3.refused(f"Connection names {name.decode()}", "9110 7.6.1", with_fields(b"Connection: close, " + name))
e3.refused("Connection is no list of tokens", "9110 7.6.1", with_fields(b"Connection: a b"))
e3.passed("Connection names a field", "9110 7.6.1", with_fields(b"X: 1", b"Connection: x", b"Y: 2"), get(b"Y: 2"))
e3.passed(
    "Connection in two lines",
    "9110 7.6.1",
    with_fields(b"X: 1", b"Connection: x", b"Connection: close"),
    get(),
    lives=False,
)
e3.passed(
    "hop-by-hop fields",
    "9110 7.6.1",
    with_fields(
        b"Keep-Alive: 5", b"Proxy-Connection: keep-alive", b"TE: trailers", b"Trailer: X", b"Proxy-Authorization: x"
    ),
    get(),
)
e3.passed(
    "what a stranger says of itself",
    "9110 17.10",
    with_fields(
        b"X-Forwarded-For: 1.1.1.1",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-User: root",
        b"Forwarded: for=1.1.1.1",
        b"X-Real-IP: 1.1.1.1",
        b"CF-Connecting-IP: 1.1.1.1",
        b"X-Request-ID: mine",
    ),
    get(),
)

# E4: Content-Length.

e4 = Table("E4")


def with_length(value: bytes, body: bytes = b"hello") -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:" + value + b"\r\n\r\n" + body


for value in (
    b" +5", b" -1", b" -0", b" 0x5", b" 1_0", b" 1 0", b" 5.0", b"", b" ", b" abc", b" 0o5", b" \xd9\xa5", b" 5, 5",
    b" 5,", b" 5;", b" 005", b" 00", b" 05", b" 9223372036854775808", b" 18446744073709551621", b" 5e0", b' "5"',
    b" 99999999999999999999999999",
):  # fmt: skip
    e4.refused(repr(value)[1:], "9112 6.2", with_length(value))
e4.refused("NUL behind it", "9112 6.2", with_length(b" 5\x00"))
e4.refused("a vertical tab before it", "9112 6.2", with_length(b" \x0b5"))
e4.refused(
    "twice, equal", "9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"
)
e4.refused(
    "twice, different", "9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\ncontent-length: 6\r\n\r\nhello"
)
e4.refused("more than is taken", "9110 15.5.14", with_length(b" 9223372036854775807"), 413)
e4.passed("plain", "9112 6.2", with_length(b" 5"), post(b"hello"))
e4.passed("blanks around", "9112 5.1", with_length(b" \t5 \t"), post(b"hello"))
e4.passed("0", "9112 6.2", with_length(b" 0", b""), post(b""))

# E5: Transfer-Encoding.

e5 = Table("E5")
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"


def with_coding(*lines: bytes, body: bytes = CHUNKS) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


for name, lines in {
    "CL and TE": (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "TE and CL": (b"Transfer-Encoding: chunked", b"Content-Length: 15"),
    "CL 0 and TE": (b"Content-Length: 0", b"Transfer-Encoding: chunked"),
    "two TE": (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "TE identity and chunked": (b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"),
}.items():
    e5.refused(name, "9112 6.1", with_coding(*lines))
for value in (
    b"chunked, gzip", b"identity", b"xchunked", b",chunked", b"chunked,", b"chunked, chunked", b"chunked;a=b", b"",
    b"\x0bchunked", b"chunked\x00", b'"chunked"', b"chunked chunked", b"chunke", b"chunked\xa0", b"\x85chunked",
    b"gzip", b"gzip, xchunked", b"chunked, gzip, chunked", b"gzip,,chunked",
):  # fmt: skip
    e5.refused(repr(value)[1:], "9112 6.1", with_coding(b"Transfer-Encoding: " + value))
e5.refused("gzip, chunked", "9112 6.1", with_coding(b"Transfer-Encoding: gzip, chunked"), 501)
e5.refused("x-gzip, chunked", "9112 7.2", with_coding(b"Transfer-Encoding: x-gzip, chunked"), 501)
e5.refused("blank before the colon", "9112 5.1", with_coding(b"Transfer-Encoding : chunked"))
e5.refused("folded", "9112 5.2", with_coding(b"Transfer-Encoding:", b" chunked"))
e5.refused(
    "on a request to upgrade",
    "9110 7.8",
    with_coding(b"Transfer-Encoding: chunked", b"Connection: upgrade", b"Upgrade: websocket"),
)
for value in (b"chunked", b"Chunked", b"CHUNKED", b"\t chunked \t"):
    e5.passed(repr(value)[1:], "9112 7", with_coding(b"Transfer-Encoding: " + value), posted_chunks(b"hello"))

# E6: chunked bodies (every other row is in tests/http/test_chunked.py).

e6 = Table("E6")


def chunked(body: bytes) -> bytes:
    return with_coding(b"Transfer-Encoding: chunked", body=body)


for body in (
    b"0x5\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"-1\r\nhello\r\n0\r\n\r\n",
    b"1_0\r\nhello\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n", b"\r\nhello\r\n0\r\n\r\n", b"g\r\nhello\r\n0\r\n\r\n",
    b"00000000000000005\r\nhello\r\n", b"7fffffffffffffff\r\nhello\r\n", b"5;\r\nhello\r\n0\r\n\r\n",
    b"5;a=[\r\nhello\r\n0\r\n\r\n", b"5;a\x00\r\nhello\r\n0\r\n\r\n", b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    b"5\nhello\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n", b"5\r\nhello\r\n0\n\n",
    b"5;a\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
    b"5\r\nhello\r\n0\r\nHost: b\r\n\r\n",
    b"5\r\nhello\r\n0\r\nAuthorization: b\r\n\r\n", b"5\r\nhello\r\n0\r\nX : 1\r\n\r\n",
    b"5;" + b"a" * 300 + b"\r\nhello\r\n",
    b"5\r\nhello\r\n0\r\n" + b"X: 1\r\n" * 17 + b"\r\n", b"5\r\nhello\r\n0\r\nX: " + b"a" * 4200 + b"\r\n\r\n",
):  # fmt: skip
    e6.refused(repr(body[:40])[1:], "9112 7.1", chunked(body))
e6.passed(
    "extensions go no further", "9112 7.1.1", chunked(b'5;a=b;c="d;e"\r\nhello\r\n0;f\r\n\r\n'), posted_chunks(b"hello")
)
e6.passed("trailers go no further", "9112 7.1.2", chunked(b"5\r\nhello\r\n0\r\nX: 1\r\n\r\n"), posted_chunks(b"hello"))
e6.passed("000 is the last chunk", "9112 7.1", chunked(b"05\r\nhello\r\n000\r\n\r\n"), posted_chunks(b"hello"))
e6.passed("no payload", "9112 7.1", chunked(b"0\r\n\r\n"), posted_chunks(b""))
e6.passed(
    "what follows is the next request",
    "9112 9.3.2",
    chunked(CHUNKS) + b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    posted_chunks(b"hello"),
    get(target=b"/b"),
)

# E7: bodies where they are not expected.

e7 = Table("E7")
for method in (b"GET", b"DELETE", b"OPTIONS"):
    e7.passed(
        f"{method.decode()} with a body",
        "9110 9.3.1",
        method + b" / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        (method + b" / HTTP/1.1", (b"Content-Length: 5",), b"hello"),
        lives=False,
    )
e7.passed(
    "GET with chunks",
    "9110 9.3.1",
    b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    (b"GET / HTTP/1.1", (b"Transfer-Encoding: chunked",), b"hello"),
    lives=False,
)
e7.passed("GET with length 0", "9110 9.3.1", with_fields(b"Content-Length: 0"), get(b"Content-Length: 0"))
e7.passed("POST without length", "9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", post(b""))
e7.passed("POST without length in HTTP/1.0", "9112 6.3", b"POST / HTTP/1.0\r\nHost: a\r\n\r\n", post(b""), lives=False)
e7.case(
    "what follows a POST without length is a request",
    "9112 6.3",
    b"POST / HTTP/1.1\r\nHost: a\r\n\r\nhello\r\n\r\n",
    (200, 400),
    False,
    post(b""),
)
e7.refused("TRACE with a body", "9110 9.3.8", b"TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 405)

# E8: Expect.

e8 = Table("E8")


def expecting(value: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    return b"POST / " + version + b"\r\nHost: a\r\nExpect: " + value + b"\r\nContent-Length: 5\r\n\r\nhello"


e8.passed("100-continue is ours to answer", "9110 10.1.1", expecting(b"100-continue"), post(b"hello"))
e8.passed("in any case", "9110 10.1.1", expecting(b"100-Continue"), post(b"hello"))
e8.passed("ignored in HTTP/1.0", "9110 10.1.1", expecting(b"100-continue", b"HTTP/1.0"), post(b"hello"), lives=False)
e8.passed(
    "any other ignored in HTTP/1.0", "9110 10.1.1", expecting(b"200-ok", b"HTTP/1.0"), post(b"hello"), lives=False
)
e8.passed("without a body", "9110 10.1.1", with_fields(b"Expect: 100-continue"), get())
e8.passed(
    "with length 0",
    "9110 10.1.1",
    with_fields(b"Expect: 100-continue", b"Content-Length: 0"),
    get(b"Content-Length: 0"),
)
for value in (b"200-ok", b"100-continue, 100-continue", b"", b"100-continue;a=b"):
    e8.refused(repr(value)[1:], "9110 10.1.1", expecting(value), 417)

# E9: Upgrade.

e9 = Table("E9")
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
VERSION = b"Sec-WebSocket-Version: 13"
UPGRADE = (b"Connection: Upgrade", b"Upgrade: websocket")
e9.passed(
    "h2c",
    "9113 3.1",
    with_fields(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAM"),
    get(),
)
e9.passed("something else", "9110 7.8", with_fields(b"Connection: Upgrade", b"Upgrade: irc/6.9"), get())
e9.passed("Upgrade without Connection", "9110 7.8", with_fields(b"Upgrade: websocket", KEY, VERSION), get(KEY, VERSION))
e9.passed(
    "a worker that does not switch",
    "6455 4.1",
    with_fields(*UPGRADE, KEY, VERSION),
    get(KEY, VERSION, b"Connection: Upgrade", b"Upgrade: websocket"),
    lives=False,
)
for name, lines in {
    "no key": (VERSION,),
    "no version": (KEY,),
    "another version": (KEY, b"Sec-WebSocket-Version: 12"),
    "a key that is too short": (b"Sec-WebSocket-Key: dGhl", VERSION),
    "a key that is no base64": (b"Sec-WebSocket-Key: !GhlIHNhbXBsZSBub25jZQ==", VERSION),
}.items():
    e9.refused(name, "6455 4.2.1", with_fields(*UPGRADE, *lines))
e9.refused(
    "with a body",
    "6455 4.1",
    with_fields(*UPGRADE, KEY, VERSION, b"Content-Length: 5") + b"hello",
)

# E10: pipelining.

e10 = Table("E10")
A, B, C = (b"GET /" + name + b" HTTP/1.1\r\nHost: a\r\n\r\n" for name in (b"a", b"b", b"c"))
e10.passed("three, in order", "9112 9.3.2", A + B + C, get(target=b"/a"), get(target=b"/b"), get(target=b"/c"))
e10.case("a bad one behind a good one", "9112 9.3.2", A + b"GET\r\n\r\n" + C, (200, 400), False, get(target=b"/a"))
e10.case(
    "nothing behind a close",
    "9112 9.6",
    b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + B,
    (200,),
    False,
    get(target=b"/a"),
)
e10.passed(
    "an empty line behind a body",
    "9112 2.2",
    with_length(b" 5") + b"\r\n" + B,
    post(b"hello"),
    get(target=b"/b"),
)

# E12: loops.

e12 = Table("E12")
OTHERS = b'CDN-Loop: edgeproxy; id="other", cdn.example; trace="x"'
e12.passed("another edge's mark", "8586 2", with_fields(OTHERS), get(OTHERS))
e12.passed("Via of another edge", "9110 7.6.3", with_fields(b"X-Via: 1.1 edgeproxy"), get(b"X-Via: 1.1 edgeproxy"))
for name, lines in {
    "our own mark": (b'CDN-Loop: edgeproxy; id="wire"',),
    "our own mark behind others": (b'CDN-Loop: cdn.example, edgeproxy; id="wire"',),
    "our own mark in the second field": (OTHERS, b'cdn-loop:edgeproxy; id="wire"'),
}.items():
    e12.case(name, "8586 2", with_fields(*lines), (508,), True)

REQUESTS: list[Case] = [case for table in (e1, e2, e3, e4, e5, e6, e7, e8, e9, e10, e12) for case in table.cases]
