"""URLs that we route by: `http` or `https`, a host, a port that exists, no user, no query, no fragment.

What registers is not trusted: an address that can only mean "this machine's cloud metadata" or "everybody" is
refused, so is a host that resolvers read as a number (`http://2852039166/`).
"""

import re
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from edgeproxy.cluster.addresses import is_nobodys, parse_address

MAX_URL: int = 2048

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$)(?:{_LABEL}\.)*{_LABEL}\.?")
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?")
_REVERSE = re.compile(r"reverse://([A-Za-z0-9_][A-Za-z0-9._:@+-]{0,199})((?:/[A-Za-z0-9._~-]+)+)")
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")  # RFC 3986, section 3.3: path-abempty


@lru_cache(maxsize=16_384)  # a heartbeat tells the same URLs as the one before; some 5 MB
def worker_url(value: str) -> str:
    """The URL without a trailing slash; ValueError says what is wrong with it."""
    if len(value) > MAX_URL:
        raise ValueError(f"URL is longer than {MAX_URL} characters")
    if not value.isascii() or any(c <= " " or c == "\x7f" for c in value):
        raise ValueError("URL has characters other than printable ASCII")
    if "?" in value or "#" in value:
        raise ValueError("URL must not carry a query or fragment")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from None
    _check_shape(parts, port)
    _check_host(parts.hostname or "")
    return value.rstrip("/")


def service_url(value: str) -> str:
    """Like `worker_url`, or `reverse://machine/path`: down a connection that the machine has opened."""
    if not value.startswith("reverse:"):
        return worker_url(value)
    if len(value) > MAX_URL or _REVERSE.fullmatch(value) is None:
        raise ValueError("not of the form reverse://machine/path")
    return value


def reverse_parts(url: str) -> tuple[str, str] | None:
    """The machine and the path of such a URL, None for any other."""
    match = _REVERSE.fullmatch(url)
    return None if match is None else (match[1], match[2])


def _check_shape(parts: SplitResult, port: int | None) -> None:
    if parts.scheme not in ("http", "https"):
        raise ValueError("URL must begin with http:// or https://")
    if not parts.hostname:
        raise ValueError("URL has no host")
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("URL has no usable port")
    if "@" in parts.netloc:
        raise ValueError("URL must not carry a user or password")
    if not _PATH.fullmatch(parts.path):
        raise ValueError("URL has a path with characters that a path cannot have")


def _check_host(host: str) -> None:
    if "%" in host:  # an IPv6 zone means something on the sender's machine only
        raise ValueError("URL has a host with a %")
    address = parse_address(host)
    if address is None:
        if not _NAME.fullmatch(host) or _NUMBER.fullmatch(host):
            raise ValueError(f"URL has a host that is neither a name nor an address: {host!r}")
        return
    if is_nobodys(address):
        raise ValueError(f"no worker can be reached at {host}")


def path(value: str) -> str:
    """An absolute path as it goes into a request line (with a query, if need be)."""
    route, _, query = value.partition("?")
    if not route.startswith("/") or not _PATH.fullmatch(route):
        raise ValueError("path must begin with / and have only the characters of a path")
    if not query.isascii() or any(c <= " " or c in "#\x7f" for c in query):
        raise ValueError("query has characters that a query cannot have")
    return value
