"""What may be stored, and for how long it is as good as new: RFC 9111 for a shared cache, as plain functions.

Times are seconds on a clock of the caller's; ages and lifetimes are whole seconds, as in the fields. Only answers that
say how long they are fresh are stored: guessing (section 4.2.2) would be done at the expense of those who never
thought of a cache.
"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

_LINE = re.compile(rb"([^:\r\n]+): *([^\r\n]*)\r\n")
_DIRECTIVE = re.compile(rb"[ \t,]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:=(?:\"((?:[^\"\\]|\\.)*)\"|([^\s,\"]*)))?")
_SECONDS = re.compile(rb"[0-9]{1,12}")
_LONGEST = 2**31
"""Seconds that stand for ever (section 1.2.2)."""

STORABLE_STATUSES = frozenset({200, 203, 204, 300, 301, 308, 404, 410})
"""Final answers that mean the same to everybody who asks (RFC 9110 section 15.1), partial ones left out."""

# How the fields begin by which a request says something about caching, or that make its answer its own.
_ASKING = (b"cache-control:", b"pragma:", b"range:", b"if-")
_LONGEST_ASKING = len(_ASKING[0])
_LF = 0x0A


def fields_of(lines: bytes, names: frozenset[bytes]) -> dict[bytes, bytes]:
    """The values of the named fields by lower-case name, several of one name joined (RFC 9110 section 5.3)."""
    found: dict[bytes, bytes] = {}
    for name, value in _LINE.findall(lines):
        lowered = name.lower()
        if lowered in names:
            found[lowered] = found[lowered] + b", " + value if lowered in found else value
    return found


def directives(value: bytes) -> dict[bytes, bytes]:
    """Cache-Control (section 5.2) by lower-case name; the first of two alike holds. What is no directive is skipped."""
    found: dict[bytes, bytes] = {}
    for name, quoted, plain in _DIRECTIVE.findall(value):
        found.setdefault(name.lower(), quoted or plain)
    return found


def seconds(value: bytes | None) -> int | None:
    """A delta-seconds; None where there is none, 0 where it is not valid: then the answer is stale (section 4.2.1)."""
    if value is None:
        return None
    return min(int(value), _LONGEST) if _SECONDS.fullmatch(value) else 0


class Asked:
    """What a request wants of a cache."""

    __slots__ = (
        "etags",
        "max_age",
        "min_fresh",
        "modified_since",
        "no_cache",
        "no_store",
        "only_stored",
        "whole",
    )

    def __init__(self, lines: bytes) -> None:
        self.no_store = self.no_cache = self.only_stored = False
        self.max_age: int | None = None
        self.min_fresh = 0
        self.etags: bytes | None = None
        self.modified_since: bytes | None = None
        self.whole = True
        if lines:
            self._read(fields_of(lines, _REQUEST_NAMES))

    def _read(self, fields: dict[bytes, bytes]) -> None:
        control = directives(fields.get(b"cache-control", b""))
        self.no_store = b"no-store" in control
        self.no_cache = b"no-cache" in control or (
            b"cache-control" not in fields and b"no-cache" in fields.get(b"pragma", b"").lower()
        )
        self.only_stored = b"only-if-cached" in control
        self.max_age = seconds(control.get(b"max-age"))
        self.min_fresh = seconds(control.get(b"min-fresh")) or 0
        self.etags = fields.get(b"if-none-match")
        self.modified_since = fields.get(b"if-modified-since")
        self.whole = not fields.keys() & _PARTIAL


_PARTIAL = frozenset({b"range", b"if-match", b"if-unmodified-since", b"if-range"})
_REQUEST_NAMES = _PARTIAL | {b"cache-control", b"pragma", b"if-none-match", b"if-modified-since"}
_RESPONSE_NAMES = frozenset(
    {
        b"cache-control",
        b"cdn-cache-control",
        b"expires",
        b"date",
        b"age",
        b"vary",
        b"etag",
        b"last-modified",
        b"set-cookie",
    }
)


class Said:
    """What an answer says about its being stored; `known`: the request has shown the worker who asks. `lifetime` is 0
    where it must not be."""

    __slots__ = ("age", "dated", "etag", "last_modified", "lifetime", "vary")

    def __init__(self, status: int, lines: bytes, asked: Asked, known: bool) -> None:
        fields = fields_of(lines, _RESPONSE_NAMES)
        self.age = seconds(fields.get(b"age")) or 0
        self.dated = b"date" in fields
        self.etag = fields.get(b"etag", b"")
        self.last_modified = fields.get(b"last-modified", b"")
        self.vary = _varying(fields.get(b"vary", b""))
        self.lifetime = 0
        if status in STORABLE_STATUSES and self.vary is not None and b"set-cookie" not in fields:
            self.lifetime = _lifetime(fields, asked, known)


_NOTHING = Asked(b"")


def asked_by(lines: bytes) -> Asked:
    """What a request with these field lines wants; most want nothing, and share one answer to that."""
    return Asked(lines) if _speaks_of_caching(lines) else _NOTHING


def _speaks_of_caching(lines: bytes) -> bool:
    """Whether there is one of `_ASKING`. By far the most fields are told apart by their first letter."""
    seen = lines
    begins = True
    for at in range(len(lines)):
        first = seen[at] | 0x20
        if begins and first in b"cipr" and lines[at : at + _LONGEST_ASKING].lower().startswith(_ASKING):
            return True
        begins = seen[at] == _LF
    return False


def _varying(value: bytes) -> tuple[bytes, ...] | None:
    """The lower-case names of request fields that the answer depends on; None: on more than fields (section 4.1)."""
    names = tuple(sorted({name.strip(b" \t").lower() for name in value.split(b",")} - {b""}))
    return None if b"*" in names else names


def _lifetime(fields: dict[bytes, bytes], asked: Asked, known: bool) -> int:
    """Section 3: may it be stored; section 4.2.1: for how long. What is said to such as us goes first (RFC 9213)."""
    targeted = fields.get(b"cdn-cache-control")
    control = directives(targeted if targeted is not None else fields.get(b"cache-control", b""))
    # Qualified `private` and `no-cache` are taken as the plain ones, which section 5.2.2 allows.
    if asked.no_store or control.keys() & {b"no-store", b"private", b"no-cache"}:
        return 0
    if known and not control.keys() & {b"public", b"s-maxage", b"must-revalidate"}:  # section 3.5
        return 0
    for name in (b"s-maxage", b"max-age"):
        if name in control:
            return seconds(control[name]) or 0
    if targeted is not None or b"expires" not in fields:
        return 0
    expires, date = moment(fields[b"expires"]), moment(fields.get(b"date", b""))
    return max(0, min(int(expires - date), _LONGEST)) if expires is not None and date is not None else 0


def moment(value: bytes) -> float | None:
    """An HTTP-date (RFC 9110 section 5.6.7) in seconds since 1970; None for what is none."""
    try:
        return parsedate_to_datetime(value.decode("ascii")).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def fresh(asked: Asked, lifetime: int, age: int) -> bool:
    """Whether an answer of that age will do (sections 4.2 and 5.2.1). `max-stale` is not heeded: it is a may."""
    if asked.no_cache or age + asked.min_fresh >= lifetime:
        return False
    return asked.max_age is None or age <= asked.max_age


def unchanged(asked: Asked, etag: bytes, last_modified: bytes) -> bool:
    """Whether the client has this very answer already: 304 will do (RFC 9110 sections 13.1.2, 13.1.3, 13.2.2)."""
    if asked.etags is not None:
        if asked.etags.strip(b" \t") == b"*":
            return True
        return bool(etag) and _weak(etag) in {_weak(each) for each in _ETAG.findall(asked.etags)}
    if asked.modified_since is None or not last_modified:
        return False
    if asked.modified_since == last_modified:
        return True
    since, modified = moment(asked.modified_since), moment(last_modified)
    return since is not None and modified is not None and modified <= since


_ETAG = re.compile(rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


def _weak(etag: bytes) -> bytes:
    """For the weak comparison (RFC 9110 section 8.8.3.2)."""
    return etag.removeprefix(b"W/")


def selected(lines: bytes, vary: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The values of the request fields that an answer depends on, in their order (section 4.1)."""
    return _values(lines, vary) if vary else ()


def _values(lines: bytes, vary: tuple[bytes, ...]) -> tuple[bytes, ...]:
    fields = fields_of(lines, frozenset(vary))
    return tuple(fields.get(name, b"\x00") for name in vary)  # NUL: absent, which is not the same as empty
