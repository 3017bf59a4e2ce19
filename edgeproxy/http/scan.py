"""The one walk over a head's bytes: names and values checked, what matters to us noted, the rest copied in runs.

Written as loops over bytes, which compile to what a C parser does; interpreted it is the same, only slower. Plain
fields are never taken apart: those that follow each other in the usual form are one slice of the input.
"""

from __future__ import annotations

from edgeproxy.errors import MALFORMED, Fault, ProtocolError
from edgeproxy.http.fields import DROP, PLAIN, TEXT_BYTES, TOKEN_BYTES, FieldNames

_CR = 13
_LF = 10
_SPACE = 32
_TAB = 9
_COLON = 58

# What a byte may be part of.
NAME = 1
ODD_NAME = 2  # "_" and ".": names in which an application may see another one
VALUE = 4
TARGET = 8


def _byte_classes() -> bytes:
    classes = bytearray(256)
    for byte in TOKEN_BYTES:
        classes[byte] |= ODD_NAME | NAME if byte in b"_." else NAME
    for byte in TEXT_BYTES:
        classes[byte] |= VALUE
    for byte in range(0x21, 0x7F):
        if byte != 0x23:  # "#": a fragment is never sent
            classes[byte] |= TARGET
    return bytes(classes)


CLASSES = _byte_classes()


def head_end(data: bytes) -> int:
    """Where the empty line that closes a head begins (CRLF CRLF), or -1; three bytes of four are never looked at."""
    seen = data
    size = len(data)
    at = 3
    while at < size:
        byte = seen[at]
        if byte == _LF:
            if seen[at - 1] == _CR and seen[at - 2] == _LF and seen[at - 3] == _CR:
                return at - 3
            at += 2
        elif byte == _CR:
            at += 1
        else:
            at += 4
    return -1


def scan_request_line(data: bytes) -> tuple[int, int]:
    """(end of the method, end of the target) of `method SP target SP ...` (RFC 9112 section 3)."""
    seen = data
    classes = CLASSES
    at = 0
    while classes[seen[at]] & NAME:
        at += 1
    method_end = at
    if method_end == 0 or seen[at] != _SPACE:
        raise ProtocolError(MALFORMED, "the request line does not begin with a method and a space")
    at += 1
    while classes[seen[at]] & TARGET:
        at += 1
    if at == method_end + 1 or seen[at] != _SPACE:
        raise ProtocolError(MALFORMED, "the request line is not method, target and version")
    return method_end, at


class Notes:
    """What a walk over field lines finds: `fields`, the end-to-end lines, each with its CRLF; `count` of all lines;
    and by `note`, in their order, those that frame, route, upgrade or identify."""

    __slots__ = ("count", "fields")

    def __init__(self) -> None:
        self.fields = b""
        self.count = 0

    def note(self, kind: int, name: bytes, value: bytes) -> None:
        raise NotImplementedError


def scan_fields(data: bytes, at: int, end: int, names: FieldNames, fault: Fault, notes: Notes) -> None:
    """Walk the field lines data[at:end]; `end` is behind the CRLF of the last one.

    Raises ProtocolError(fault) for obs-fold, blanks before the colon, control bytes, bare CR or LF and names that
    are no tokens (RFC 9112 sections 2.2, 5.1, 5.2).
    """
    runs = None
    count = 0
    run = at  # where the present run of plain lines in usual form began
    seen = data
    classes = CLASSES
    maybe = names.maybe
    while at < end:
        start = at
        flags = 0
        while classes[seen[at]] & NAME:
            flags |= classes[seen[at]]
            at += 1
        name_end = at
        if name_end == start or seen[at] != _COLON:
            raise ProtocolError(fault, "a field line does not begin with a name and a colon")
        at += 1
        while seen[at] == _SPACE or seen[at] == _TAB:
            at += 1
        value_start = at
        while classes[seen[at]] & VALUE:
            at += 1
        value_end = at
        if seen[at] != _CR or seen[at + 1] != _LF:
            raise ProtocolError(fault, "a control byte, bare CR or bare LF in a field value")
        at += 2
        while value_end > value_start and (seen[value_end - 1] == _SPACE or seen[value_end - 1] == _TAB):
            value_end -= 1
        count += 1
        usual = value_start == name_end + 2 and seen[name_end + 1] == _SPACE and value_end == at - 2
        size = name_end - start
        if size < 32 and not flags & ODD_NAME and not maybe[size * 256 + (seen[start] | 32)]:
            kind = PLAIN
        else:
            name = seen[start:name_end]
            kind = names.kind(name, fault)
            if kind != PLAIN and kind != DROP:
                notes.note(kind, name, seen[value_start:value_end])
        if kind == PLAIN and usual:
            continue
        if runs is None:
            runs = []
        if start > run:
            runs.append(seen[run:start])
        if kind == PLAIN:
            runs.append(seen[start:name_end] + b": " + seen[value_start:value_end] + b"\r\n")
        run = at
    notes.count = count
    if runs is None:
        notes.fields = seen[run:end]
        return
    if end > run:
        runs.append(seen[run:end])
    notes.fields = runs[0] if len(runs) == 1 else b"".join(runs)
