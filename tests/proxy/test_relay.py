"""What goes over the wire: heads written anew read back as what they were."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.errors import MALFORMED
from edgeproxy.http.body import BodyReader
from edgeproxy.http.request import RequestHead, parse_request
from edgeproxy.http.response import ResponseHead, parse_response
from edgeproxy.policy.worker import Worker
from edgeproxy.proxy.exchange import Exchange, Peer
from edgeproxy.proxy.relay import (
    VIA,
    interim_head,
    request_head,
    request_payload,
    response_payload,
    response_start,
)
from edgeproxy.proxy.table import Route, Table
from edgeproxy.telemetry.counters import RouteCounts

OWN = b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n"


class Client(Peer):
    """As much of a client as relaying asks for."""

    def __init__(self, trusted: bool = False) -> None:
        super().__init__()
        self.address = "192.0.2.7"
        self.forwarded = OWN
        self.trusted = trusted


def parsed(data: bytes) -> RequestHead:
    return parse_request(data, data.index(b"\r\n\r\n"))


def exchange(data: bytes, trusted: bool = False, believed: bool = False, **route: Any) -> Exchange:
    """`trusted`: the client is a proxy of ours; `believed`: the workers are."""
    everything = Route("all", RouteCounts(), trusted=believed, **route)
    return Exchange(Client(trusted), parsed(data), Table(everything, everything), b"id-1", 0.0)


def relayed(data: bytes, worker: Worker | None = None, trusted: bool = False, **route: Any) -> RequestHead:
    return parsed(request_head(exchange(data, trusted, **route), worker or Worker("w", "10.0.0.1", 8000)))


def by(head: RequestHead, name: bytes) -> list[bytes]:
    return [value for each, value in head.forwarded or () if each.lower() == name]


def get(*lines: bytes, target: bytes = b"/a") -> bytes:
    return b"\r\n".join((b"GET " + target + b" HTTP/1.1", b"Host: site", *lines, b"", b""))


methods = st.sampled_from([b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"OTHER"])
targets = st.text('/abc?%=&.{}"<>\\^`|~', max_size=20).map(lambda rest: b"/" + rest.encode())
texts = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=10)
fields = st.lists(
    st.tuples(st.sampled_from([b"Accept", b"X-A", b"Content-Type-Of"]), texts.map(lambda v: v.encode("latin-1"))),
    max_size=5,
)
framings = st.sampled_from([b"", b"Content-Length: 0\r\n", b"Content-Length: 7\r\n", b"Transfer-Encoding: chunked\r\n"])


def cleaned(value: bytes) -> bytes:
    return bytes(byte for byte in value if byte >= 0x80 or 0x21 <= byte < 0x7F)


@given(methods, targets, fields, framings)
def test_what_is_written_reads_back_as_it_was(
    method: bytes, target: bytes, pairs: list[tuple[bytes, bytes]], framing: bytes
) -> None:
    lines = b"".join(name + b": " + cleaned(value) + b"\r\n" for name, value in pairs)
    data = method + b" " + target + b" HTTP/1.1\r\nHost: site\r\n" + lines + framing + b"\r\n"
    before, after = parsed(data), relayed(data)
    assert (after.method, after.target, after.minor) == (before.method, before.target, 1)
    assert after.host == b"10.0.0.1:8000"
    assert after.fields == before.fields + VIA
    given_none = not framing and method in (b"POST", b"PUT", b"PATCH")
    assert after.length == (0 if given_none else before.length)
    assert (after.request_id, by(after, b"x-forwarded-host")) == (b"id-1", [b"site"])
    assert by(after, b"x-forwarded-for") == [b"192.0.2.7"]
    assert by(after, b"x-forwarded-proto") == [b"http"]
    assert after.keep_alive


@pytest.mark.parametrize(
    ("target", "strip", "base", "sent"),
    [
        (b"/a?b", 0, b"", b"/a?b"),
        (b"/service/x/a?b", 10, b"", b"/a?b"),
        (b"/service/x", 10, b"", b"/"),
        (b"/service/x?b", 10, b"", b"/?b"),
        (b"/service/x/", 10, b"", b"/"),
        (b"/a", 0, b"/base", b"/base/a"),
        (b"/service/x?b", 10, b"/base", b"/base/?b"),
    ],
)
def test_target(target: bytes, strip: int, base: bytes, sent: bytes) -> None:
    worker = Worker("w", "10.0.0.1", 8000, base_path=base)
    assert relayed(get(target=target), worker, strip=strip).target == sent


def test_what_a_stranger_says_is_dropped() -> None:
    head = relayed(get(b"X-Forwarded-For: 1.1.1.1", b"Forwarded: for=1.1.1.1", b"X-Forwarded-Host: evil"))
    assert sorted(head.forwarded or ()) == [
        (b"X-Forwarded-For", b"192.0.2.7"),
        (b"X-Forwarded-Host", b"site"),
        (b"X-Forwarded-Proto", b"http"),
    ]


def test_what_a_trusted_proxy_says_is_added_to() -> None:
    head = relayed(
        get(
            b"X-Forwarded-For: 1.1.1.1",
            b"x-forwarded-for: 2.2.2.2, 3.3.3.3",
            b"X-Forwarded-Proto: https",
            b"X-Forwarded-Host: public.example",
            b"X-Real-IP: 1.1.1.1",
        ),
        trusted=True,
    )
    assert by(head, b"x-forwarded-for") == [b"1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.7"]
    assert by(head, b"x-forwarded-proto") == [b"https"]
    assert by(head, b"x-forwarded-host") == [b"public.example"]
    assert by(head, b"x-real-ip") == [b"1.1.1.1"]


def test_a_trusted_proxy_that_says_little() -> None:
    head = relayed(get(b"X-Real-IP: 1.1.1.1"), trusted=True)
    assert by(head, b"x-forwarded-for") == [b"192.0.2.7"]
    assert by(head, b"x-forwarded-proto") == [b"http"]
    assert by(head, b"x-forwarded-host") == [b"site"]


def test_http_1_0_without_host() -> None:
    sent = request_head(exchange(b"GET / HTTP/1.0\r\n\r\n"), Worker("w", "10.0.0.1", 8000))
    assert b"Via: 1.0 edgeproxy\r\n" in sent
    assert parsed(sent).minor == 1


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=6), st.booleans())
def test_request_payload_reads_back(pieces: list[bytes], chunked: bool) -> None:
    size = sum(map(len, pieces))
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
    it = exchange(get(framing))
    sent = b""
    for number, piece in enumerate(pieces):
        it.request_done = number == len(pieces) - 1
        sent += request_payload(it, piece)
    reader = BodyReader(it.head.length, MALFORMED)
    assert reader.feed(sent) == (b"".join(pieces), b"")
    assert reader.done


# Answers.


def answer(data: bytes, to_head: bool = False) -> ResponseHead:
    return parse_response(data, data.index(b"\r\n\r\n"), to_head)


FRAMINGS = [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b""]


@pytest.mark.parametrize("framing", FRAMINGS)
@given(pieces=st.lists(st.binary(max_size=30), min_size=1, max_size=6))
def test_response_payload_reads_back(framing: bytes, pieces: list[bytes]) -> None:
    body = b"".join(pieces)
    framing = framing.replace(b"5", b"%d" % len(body))
    it = exchange(get())
    sent = response_start(it, answer(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n"), b"", done=False)
    for number, piece in enumerate(pieces):
        sent += response_payload(it, piece, number == len(pieces) - 1)
    read = answer(sent)
    reader = BodyReader(read.length, MALFORMED)
    assert reader.feed(sent[sent.index(b"\r\n\r\n") + 4 :]) == (body, b"")
    assert reader.done
    assert read.keep_alive


@pytest.mark.parametrize("trusted", [False, True])
def test_fields_that_speak_for_the_site(trusted: bool) -> None:
    head = answer(b"HTTP/1.1 200 OK\r\nX: 1\r\nSet-Cookie: a\r\n\r\n")
    sent = response_start(exchange(get(), believed=trusted), head, b"", done=False)
    assert b"X: 1\r\n" in sent
    assert (b"Set-Cookie: a\r\n" in sent) is trusted


def test_interim() -> None:
    assert interim_head(answer(b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\n")) == b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\n"
