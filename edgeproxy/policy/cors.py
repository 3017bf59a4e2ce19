"""Cross-origin requests (the CORS protocol of the Fetch standard): which pages may read what we answer."""

from __future__ import annotations

import re
from collections.abc import Iterable

METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
EXPOSED = b"X-Request-ID, Retry-After, RateLimit, RateLimit-Policy, Cache-Status, Server-Timing"
MAX_AGE = 600
"""Seconds for which a browser may remember a preflight; Chromium's cap is 7200."""

_ORIGIN = re.compile(r"(?:[a-z][a-z0-9+.-]*://(?:[a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?|null)")
_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+(?:[ \t]*,[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")
_MAX_NAMES = 1024
_PREFLIGHT_VARY = b"Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers\r\n"


def origin(text: str) -> str:
    """An origin as browsers write it; ValueError says what is wrong with it."""
    lowered = text.strip().rstrip("/").lower()
    if lowered != "*" and not _ORIGIN.fullmatch(lowered):
        raise ValueError(f"{text!r} is not an origin such as https://app.example.org, nor *")
    return lowered


class Cors:
    """One policy. `origins` in lower case without a trailing slash, or `*`; credentials never go with `*`."""

    __slots__ = ("_any", "_asked", "_credentials", "_exposed", "_fields", "_max_age", "_open", "_origins")

    def __init__(
        self,
        origins: Iterable[str],
        *,
        credentials: bool = False,
        exposed: bytes = EXPOSED,
        max_age: int = MAX_AGE,
    ) -> None:
        listed = frozenset(origins)
        if "*" in listed and credentials:
            raise ValueError("credentials need origins by name: with * every page could act as its reader")
        self._any = "*" in listed
        self._origins = {text.encode("ascii") for text in listed}
        self._credentials = b"Access-Control-Allow-Credentials: true\r\n" if credentials else b""
        self._exposed = b"Access-Control-Expose-Headers: " + exposed + b"\r\n"
        self._max_age = b"Access-Control-Max-Age: %d\r\n" % max_age
        self._open = b"Access-Control-Allow-Origin: *\r\n" + self._exposed
        self._asked = self._fields = b""  # the last one who was allowed, and what was said: pages ask many times

    def fields(self, asking: bytes) -> bytes:
        """Field lines for the answer to a request from that origin (b"" for none). The answer differs by origin
        for caches too, whoever asks: Vary stands on all but the answers that are the same for everybody."""
        if self._any:
            return self._open if asking else b""
        if asking and asking == self._asked:
            return self._fields
        if not self._allows(asking):
            return b"Vary: Origin\r\n"
        self._asked = asking
        self._fields = self._granted(asking) + self._exposed + b"Vary: Origin\r\n"
        return self._fields

    def preflight(self, asking: bytes, names: bytes) -> bytes:
        """Field lines for the answer to a preflight that asks for those request fields; to an origin that is not
        allowed it says nothing, and the browser keeps the request to itself."""
        if not self._any and not self._allows(asking):
            return _PREFLIGHT_VARY
        granted = b"Access-Control-Allow-Origin: *\r\n" if self._any else self._granted(asking)
        allowed = b""
        if names and len(names) <= _MAX_NAMES and _NAMES.fullmatch(names):
            allowed = b"Access-Control-Allow-Headers: " + names + b"\r\n"
        methods = b"Access-Control-Allow-Methods: " + METHODS + b"\r\n"
        return granted + methods + allowed + self._max_age + _PREFLIGHT_VARY

    def _allows(self, asking: bytes) -> bool:
        return asking.lower() in self._origins

    def _granted(self, asking: bytes) -> bytes:
        return b"Access-Control-Allow-Origin: " + asking + b"\r\n" + self._credentials
