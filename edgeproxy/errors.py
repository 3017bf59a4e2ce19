"""Everything that can go wrong with an exchange, in one table: what to answer, and whose doing it was.

A `Fault` is a fact, not an exception: stages *return* it. `ProtocolError` carries one across the boundary of
the sans-IO parsers, which have nobody to return it to.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Source(Enum):
    """Whose doing a failure was: only `UPSTREAM` ever counts against a worker."""

    DOWNSTREAM = "downstream"
    UPSTREAM = "upstream"
    PROXY = "proxy"


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of failure: `name` is its stable word in logs, metrics and problem types."""

    name: str
    status: int
    source: Source
    title: str
    retry_after: int | None = None
    """Seconds for the Retry-After field, where trying again makes sense."""
    violation: bool = False
    """Whether it counts for a ban: what an attacker does often and an honest client seldom."""


def _downstream(name: str, status: int, title: str) -> Fault:
    return Fault(name, status, Source.DOWNSTREAM, title)


def _violation(name: str, status: int, title: str) -> Fault:
    return Fault(name, status, Source.DOWNSTREAM, title, violation=True)


def _upstream(name: str, status: int, title: str, retry_after: int | None = None) -> Fault:
    return Fault(name, status, Source.UPSTREAM, title, retry_after)


# What the client did (RFC 9110 section 15.5; 431: RFC 6585 section 5).
MALFORMED = _violation("malformed_request", 400, "The request is not valid HTTP/1.1")
HEAD_TIMEOUT = _violation("request_timeout", 408, "The request did not arrive in time")
BODY_TIMEOUT = _violation("body_timeout", 408, "The request body did not arrive in time")
URI_TOO_LONG = _downstream("uri_too_long", 414, "The request target is too long")
BODY_TOO_LARGE = _downstream("body_too_large", 413, "The request body is larger than this edge accepts")
UNKNOWN_EXPECTATION = _downstream("unknown_expectation", 417, "Only 100-continue can be expected")
HEAD_TOO_LARGE = _violation("head_too_large", 431, "The request head is too large")
METHOD_REFUSED = _downstream("method_refused", 405, "This method is not served here")
UNKNOWN_CODING = _downstream("unknown_transfer_coding", 501, "Only the chunked transfer coding is understood")
UNKNOWN_VERSION = _downstream("unknown_version", 505, "Only HTTP/1.1 and HTTP/1.0 are spoken here")
NO_ROUTE = _downstream("no_route", 404, "Nothing is served at this path")
UNAUTHENTICATED = _violation("unauthenticated", 401, "A valid key is needed")
KEY_EXPIRED = _downstream("key_expired", 403, "The key has expired")
OUT_OF_SCOPE = _downstream("out_of_scope", 403, "The key does not open this service")
SOURCE_DENIED = _downstream("source_denied", 403, "Requests from this address are not served")
BANNED = _downstream("banned", 403, "Too many requests from this address have broken the rules")
MISDIRECTED = _downstream("misdirected", 421, "This edge does not serve that host")
RATE_LIMITED = _violation("rate_limited", 429, "Too many requests: try again later")
LOOPED = _downstream("loop_detected", 508, "The request has come back to the edge that sent it on")
CLIENT_LEFT = _downstream("client_left", 499, "The client went away before the answer was complete")

# What stands between: no worker to ask.
NO_WORKER = Fault("no_worker", 503, Source.PROXY, "No worker serves this at the moment", retry_after=2)
OVERLOADED = Fault("overloaded", 503, Source.PROXY, "This edge has more to do than it can", retry_after=1)
BUSY = Fault("workers_busy", 503, Source.PROXY, "All workers of this service are busy", retry_after=2)
DRAINING = Fault("draining", 503, Source.PROXY, "This edge is shutting down", retry_after=1)

NOT_STORED = Fault("not_stored", 504, Source.DOWNSTREAM, "Asked for a stored answer, and there is none")

# What a worker did.
CONNECT_FAILED = _upstream("connect_failed", 502, "The worker refused the connection", retry_after=1)
OUT_OF_REACH = _upstream("out_of_reach", 502, "The worker is at an address that is not dialled")
CONNECT_TIMEOUT = _upstream("connect_timeout", 504, "The worker did not accept a connection in time", retry_after=1)
RESET = _upstream("upstream_reset", 502, "The worker closed the connection before it answered")
RESET_REUSED = _upstream("upstream_reset_reused", 502, "The worker closed an idle connection", retry_after=0)
RESPONSE_TIMEOUT = _upstream("response_timeout", 504, "The worker did not answer in time")
STALLED = _upstream("upstream_stalled", 504, "The worker stopped in the middle of its answer")
SILENT = _upstream("upstream_silent", 504, "The worker stopped answering", retry_after=1)
TUNNEL_DOWN = _upstream("tunnel_down", 502, "The worker's tunnel does not reach it", retry_after=2)
TUNNEL_FAILED = _upstream("tunnel_failed", 502, "The worker's tunnel lost the request", retry_after=1)
BAD_RESPONSE = _upstream("bad_response", 502, "The worker's answer is not valid HTTP/1.1")
TRUNCATED = _upstream("upstream_truncated", 502, "The worker's answer ended too early")


class ProtocolError(Exception):
    """Bytes that are not the HTTP we speak.

    `fault` says what to answer; `str(error)` says which rule was broken, and never quotes the peer's bytes.
    """

    def __init__(self, fault: Fault, rule: str) -> None:
        super().__init__(rule)
        self.fault = fault
