"""The one walk over a head's bytes: names and values checked, what matters to us noted, the rest copied in runs.

Written as loops over bytes, which compile to what a C parser does; interpreted it is the same, only slower. Plain
fields are never taken apart: those that follow each other in the usual form are one slice of the input.
"""

from __future__ import annotations

from edgeproxy.errors import MALFORMED, Fault, ProtocolError
from edgeproxy.http.fields import ASK, DROP, PLAIN, TEXT_BYTES, TOKEN_BYTES, WITH_LINE, FieldNames

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


def tail(data: bytes, at: int) -> bytes:
    """data[at:], without a slice object."""
    seen = data
    return seen[at : len(data)]


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

    def note(self, kind: int, line: bytes, value: bytes) -> None:
        """`line` is the whole line with its CRLF, for kinds from WITH_LINE on; else empty."""
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
    slots = names.slots
    kinds = names.kinds
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
        slot = ASK if size >= 32 or flags & ODD_NAME else slots[size * 256 + (seen[start] | 32)]
        if slot == 0:
            kind = PLAIN
        elif slot != ASK and _same(data, start, names.candidates[slot], size):
            kind = kinds[slot]
        else:
            kind = names.kind(seen[start:name_end], fault)
        if kind == PLAIN and usual:
            continue
        line = b""
        if kind == PLAIN or kind >= WITH_LINE:
            line = _line(data, start, name_end, value_start, value_end)
        if kind != PLAIN and kind != DROP:
            notes.note(kind, line, seen[value_start:value_end])
        if runs is None:
            runs = []
        if start > run:
            runs.append(seen[run:start])
        if kind == PLAIN:
            runs.append(line)
        run = at
    notes.count = count
    if runs is None:
        notes.fields = seen[run:end]
        return
    if end > run:
        runs.append(seen[run:end])
    notes.fields = runs[0] if len(runs) == 1 else b"".join(runs)


def _same(data: bytes, at: int, candidate: bytes, size: int) -> bool:
    """Whether the name of that size is the candidate, whatever its case."""
    seen = data
    lower = candidate
    for index in range(size):  # noqa: SIM110  # as a loop it compiles to one
        if seen[at + index] | 32 != lower[index]:
            return False
    return True


def _line(data: bytes, start: int, name_end: int, value_start: int, value_end: int) -> bytes:
    """The line in its usual form."""
    seen = data
    if value_start == name_end + 2 and seen[name_end + 1] == _SPACE and seen[value_end] == _CR:
        return seen[start : value_end + 2]
    return seen[start:name_end] + b": " + seen[value_start:value_end] + b"\r\n"
