"""TLS of the main listener: the context of each handshake, and the count of those that fail."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from edgeproxy.net.certificates import Pair
from edgeproxy.net.limits import Limits
from edgeproxy.telemetry.counters import Counters

# Names of the counts in `edgeproxy_faults_total`.
PLAIN_HTTP = "tls_plain_http"
REFUSED = "tls_handshake_failed"
UNFINISHED = "tls_handshake_unfinished"
"""The peer left, or had not finished when its time was up."""


class ServerTls(ssl.SSLContext):
    """What the listeners hold. The loop asks it for each new connection, and gets the pair in force then; what was
    begun with the pair before goes on with it."""

    counters: Counters
    _current: ssl.SSLContext
    _usable: asyncio.Event

    def __new__(cls, counters: Counters) -> ServerTls:
        self = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        self.counters = counters
        self._usable = asyncio.Event()
        return self

    def use(self, pair: Pair) -> None:
        """For every handshake from now on. A new context, not a changed one: never half a pair, and sessions that
        were begun under the old certificate are not resumed under its name."""
        self._current = _context(pair, self.counters)
        self._usable.set()

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        return self._current.wrap_bio(*args, **kwargs)

    async def server_options(self, limits: Limits) -> dict[str, Any]:
        """For `create_server`, once there is a pair. Of connections that we close, `Connection.close` knows what
        still waits for the peer; the loop's own limit is but the last."""
        await self._usable.wait()
        return {
            "ssl": self,
            "ssl_handshake_timeout": limits.handshake,
            "ssl_shutdown_timeout": limits.write_idle,
        }


class _Handshake(ssl.SSLObject):
    """Counts how it ended, since the loop tells nobody."""

    _ended = True

    def do_handshake(self) -> None:
        self._ended = False
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._count(PLAIN_HTTP if error.reason in ("HTTP_REQUEST", "HTTPS_PROXY_REQUEST") else REFUSED)
            raise
        self._ended = True

    def __del__(self) -> None:
        if not self._ended:
            self._count(UNFINISHED)

    def _count(self, name: str) -> None:
        self._ended = True
        context = self.context
        assert isinstance(context, _PairContext)
        context.counters.fault(name)


class _PairContext(ssl.SSLContext):
    """One pair in use."""

    sslobject_class = _Handshake
    counters: Counters


def _context(pair: Pair, counters: Counters) -> _PairContext:
    """Ciphers are Python's: since 3.10 only those with forward secrecy and AES or ChaCha20, none with SHA-1, keys
    of 112 bits of strength at least. Session tickets are on; each process has keys of its own for them."""
    context = _PairContext(ssl.PROTOCOL_TLS_SERVER)
    context.counters = counters
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    pair.load_into(context)
    return context
