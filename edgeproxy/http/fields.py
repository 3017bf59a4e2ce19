"""Field names: what each one is to a proxy, decided once a name and remembered.

Only names that could be special by their length and first letter are looked up, as they were written; a new
spelling is checked against the grammar (RFC 9110 section 5.1) once. The memory of spellings is bounded: what peers
invent beyond it is checked each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgeproxy.errors import Fault, ProtocolError

# What a field is to us. PLAIN fields are end-to-end and pass on as they are.
PLAIN = 0
DROP = 1  # hop-by-hop (RFC 9110 section 7.6.1), or nothing a peer may say
CONNECTION = 2
CONTENT_LENGTH = 3
TRANSFER_ENCODING = 4
HOST = 5
UPGRADE = 6
EXPECT = 7
REQUEST_ID = 8
KEEP_ALIVE = 9
WEBSOCKET_ACCEPT = 10
LOAD = 11  # what a worker says of itself to its balancer
# Of those from here on the whole line is wanted, since it may go on.
WITH_LINE = 16
SINGLE = 16  # end-to-end, but a second one makes the message ambiguous
FORWARDED = 17  # what proxies say of the client: believed only from trusted ones
WEBSOCKET_KEY = 18
WEBSOCKET_VERSION = 19
GUARDED = 20  # response fields that speak for the whole site: not for a lent machine to say
AUTHORIZATION = 21  # what a client shows to be let in
API_KEY = 22
ORIGIN = 23
ASKED_METHOD = 24  # of a CORS preflight
ASKED_FIELDS = 25
LOOP = 26  # which proxies the request has passed
CORS = 27  # response fields that open an answer to other sites' pages

TOKEN_BYTES = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""tchar of RFC 9110 section 5.6.2."""

TEXT_BYTES = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
"""What a field value may hold (RFC 9110 section 5.5), obs-text included, which passes byte for byte."""

REQUEST_KINDS: Mapping[bytes, int] = {
    b"connection": CONNECTION,
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"host": HOST,
    b"upgrade": UPGRADE,
    b"expect": EXPECT,
    b"keep-alive": DROP,
    b"proxy-connection": DROP,
    b"proxy-authorization": DROP,
    b"proxy-authenticate": DROP,
    b"te": DROP,
    b"trailer": DROP,
    b"http2-settings": DROP,
    b"content-type": SINGLE,
    b"authorization": AUTHORIZATION,
    b"x-api-key": API_KEY,
    b"origin": ORIGIN,
    b"access-control-request-method": ASKED_METHOD,
    b"access-control-request-headers": ASKED_FIELDS,
    b"cdn-loop": LOOP,
    b"via": LOOP,
    b"forwarded": FORWARDED,
    b"x-forwarded-for": FORWARDED,
    b"x-forwarded-host": FORWARDED,
    b"x-forwarded-proto": FORWARDED,
    b"x-real-ip": FORWARDED,
    b"x-client-ip": FORWARDED,
    b"true-client-ip": FORWARDED,
    b"cf-connecting-ip": FORWARDED,
    b"x-request-id": REQUEST_ID,
    b"sec-websocket-key": WEBSOCKET_KEY,
    b"sec-websocket-version": WEBSOCKET_VERSION,
}

RESPONSE_KINDS: Mapping[bytes, int] = {
    b"connection": CONNECTION,
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"upgrade": UPGRADE,
    b"keep-alive": KEEP_ALIVE,
    b"proxy-connection": DROP,
    b"proxy-authenticate": DROP,
    b"te": DROP,
    b"trailer": DROP,
    b"x-request-id": DROP,
    b"sec-websocket-accept": WEBSOCKET_ACCEPT,
    b"endpoint-load-metrics": LOAD,
    b"set-cookie": GUARDED,
    b"strict-transport-security": GUARDED,
    b"alt-svc": GUARDED,
    b"server": GUARDED,
    b"clear-site-data": GUARDED,
    b"service-worker-allowed": GUARDED,
    b"access-control-allow-origin": CORS,
    b"access-control-allow-credentials": CORS,
    b"access-control-allow-methods": CORS,
    b"access-control-allow-headers": CORS,
    b"access-control-expose-headers": CORS,
    b"access-control-max-age": CORS,
}

_MAX_NAME = 256
_MAX_REMEMBERED = 2048  # names; at most 256 bytes each, so half a MiB a process


ASK = 255
"""The slot of names that only `FieldNames.kind` can tell apart."""


def _slots(names: Sequence[bytes], family: bytes) -> bytes:
    table = bytearray(32 * 256)
    for index, name in enumerate(names[1:], 1):
        if len(name) >= 32:
            continue  # asked for by their length
        place = len(name) * 256 + name[0]
        table[place] = ASK if table[place] else index
    for length in range(len(family) + 1, 32):
        table[length * 256 + family[0]] = ASK
    return bytes(table)


class FieldNames:
    """The kinds of one direction's fields, request or response.

    `family` is a prefix all of whose names are of one kind, `family_kind`.
    """

    __slots__ = ("_family", "_family_kind", "_known", "_special", "candidates", "kinds", "slots")

    def __init__(self, special: Mapping[bytes, int], family: bytes, family_kind: int) -> None:
        self._special = special
        self._family = family
        self._family_kind = family_kind
        self._known: dict[bytes, int] = {}
        for name, kind in special.items():
            self._known[name] = self._known[name.title()] = kind
        self.candidates = [b"", *special]
        """Special names in lower case, from 1 on; `kinds[slot]` is the kind of `candidates[slot]`."""
        self.kinds = bytes([PLAIN, *special.values()])
        self.slots = _slots(self.candidates, family)
        """slots[length * 256 + (first byte | 32)] is 0 where no special name looks like that, the slot of the only
        one that does, or ASK."""

    def kind(self, name: bytes, fault: Fault) -> int:
        """What a field of this name is to us; raises ProtocolError(fault) for what is no name."""
        kind = self._known.get(name)
        if kind is None:
            if not name or len(name) > _MAX_NAME or name.translate(None, TOKEN_BYTES):
                raise ProtocolError(fault, "a field name is not a token")
            kind = self._judge(name.lower(), fault)
            if len(self._known) < _MAX_REMEMBERED:
                self._known[name] = kind
        return kind

    def _judge(self, lowered: bytes, fault: Fault) -> int:
        """Applications that read CGI-like variables take `_` and `.` for `-`: such names may hide framing
        or identity, and are refused where they would, dropped where they could."""
        kind = self._special.get(lowered, PLAIN)
        if kind == PLAIN and lowered.startswith(self._family):
            kind = self._family_kind
        if b"_" in lowered or b"." in lowered:
            alias = lowered.replace(b"_", b"-").replace(b".", b"-")
            if alias in self._special or alias.startswith(self._family):
                raise ProtocolError(fault, "a field name imitates a field that frames or identifies")
            return DROP if b"_" in lowered else PLAIN
        return kind


REQUEST_FIELDS = FieldNames(REQUEST_KINDS, b"x-forwarded-", FORWARDED)
RESPONSE_FIELDS = FieldNames(RESPONSE_KINDS, b"x-accel-", GUARDED)
