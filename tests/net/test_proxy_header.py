"""PROXY headers: whole, cut at every byte, and wrong."""

from __future__ import annotations

import pytest

from edgeproxy.errors import ProtocolError
from edgeproxy.net.proxy_header import may_begin, read_proxy_header

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V6 = bytes.fromhex("20010db8000000000000000000000001") * 2 + b"\x04\xd2\x00\x50"
GOOD = {
    b"PROXY TCP4 203.0.113.7 192.0.2.1 1234 80\r\n": "203.0.113.7",
    b"PROXY TCP6 2001:db8::1 2001:db8::2 1234 80\r\n": "2001:db8::1",
    b"PROXY UNKNOWN\r\n": "",
    b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n": "",
    SIGNATURE + b"\x21\x11\x00\x0c" + bytes([203, 0, 113, 7, 192, 0, 2, 1]) + b"\x04\xd2\x00\x50": "203.0.113.7",
    SIGNATURE + b"\x21\x21\x00\x24" + V6: "2001:db8::1",
    SIGNATURE + b"\x21\x21\x00\x2a" + V6 + b"\x03\x00\x03abc": "2001:db8::1",
    SIGNATURE + b"\x20\x00\x00\x00": "",
    SIGNATURE + b"\x21\x31\x00\x02xx": "",
}


@pytest.mark.parametrize("header", GOOD, ids=repr)
def test_a_header_is_read_when_it_is_whole(header: bytes) -> None:
    assert read_proxy_header(header + b"GET / HTTP/1.1") == (GOOD[header], len(header))
    for end in range(len(header)):
        assert may_begin(header[:end])
        assert read_proxy_header(header[:end]) is None


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 203.0.113.7 192.0.2.1 1234\r\n",
        b"PROXY TCP4 evil 192.0.2.1 1234 80\r\n",
        b"PROXY UDP4 203.0.113.7 192.0.2.1 1234 80\r\n",
        b"PROXY " + b"x" * 200,
        SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\x00\x04" + bytes(4),
        SIGNATURE + b"\x21\x11\xff\xff",
    ],
    ids=repr,
)
def test_what_is_no_header(header: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_proxy_header(header)


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1", b"\r\nGET", b"PRI * HTTP/2.0"])
def test_a_request_is_none(data: bytes) -> None:
    assert not may_begin(data)
