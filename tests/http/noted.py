"""A walk over field lines that keeps what it is told."""

from __future__ import annotations

from edgeproxy.errors import MALFORMED
from edgeproxy.http.fields import FieldNames
from edgeproxy.http.scan import Notes, scan_fields


class Kept(Notes):
    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[int, bytes, bytes]] = []

    def note(self, kind: int, line: bytes, value: bytes) -> None:
        self.noted.append((kind, line, value))


def scan(data: bytes, at: int, end: int, names: FieldNames) -> Kept:
    notes = Kept()
    scan_fields(data, at, end, names, MALFORMED, notes)
    return notes
