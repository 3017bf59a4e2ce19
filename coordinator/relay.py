"""A user's request, passed on to a worker: streamed both ways, bounded in number, size and time.

The way of users is an edge, which guards, balances and caches. Old programs ask the coordinator itself, and are served;
so is whoever has no edge yet. Only addresses that workers told are ever asked, by the rules of the prober: the asker
chooses a service, never a host. A worker that cannot be reached costs the next one's try, nothing else is sent twice.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

from coordinator.prober import GuardedResolver

MOST: Final = 64  # requests at once; some 200 KB each at worst, and the heartbeats of the fleet share our core
MOST_OF_ADDRESS: Final = 16
MAX_UPLOAD: Final = 64 * 1024 * 1024  # bytes: the largest limit that the services have is 50 MB
TRIES: Final = 3
CONNECT: Final = 3.0
SILENCE: Final = 600.0  # seconds until a worker must say something: text recognition of a long scan
UPLOAD_SILENCE: Final = 30.0  # between two pieces of a body
WRITE_TIMEOUT: Final = 30.0  # for a reader that does not read
LOOK: Final = 0.5  # seconds between two looks whether the asker is still there

_HOP: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate"),
        *("te", "trailer", "transfer-encoding", "upgrade", "http2-settings", "expect", "host"),
    }
)
_OURS: Final = frozenset({"worker-proof", "worker-signature", "x-request-id"})
# who the asker is, by his own word; X-Forwarded-For goes on, with what we see at its end
_CLAIMS: Final = frozenset({"forwarded", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"})
# what speaks for this whole site, or opens it to others: not for a lent machine to say
_GUARDED: Final = frozenset(
    {
        *("set-cookie", "strict-transport-security", "alt-svc", "server", "clear-site-data", "x-request-id"),
        *("service-worker-allowed", "access-control-allow-origin", "access-control-allow-credentials"),
        *("access-control-allow-methods", "access-control-allow-headers", "access-control-expose-headers"),
        *("access-control-max-age",),
    }
)


class Unreachable(Exception):
    """No worker took the request; `sent`: one may have, and did not answer."""

    def __init__(self, why: str, *, sent: bool, late: bool = False) -> None:
        super().__init__(why)
        self.sent, self.late = sent, late


class Busy(Exception):
    """As much as we pass on at once is under way, of all or of this address."""


class TooLong(Exception):
    """The body is longer than what is passed on."""


class TooSlow(Exception):
    """The body does not come."""


class Relay:
    """An async context manager. `secrets` says which field values are ours and stay here."""

    def __init__(self, is_secret: Callable[[str, str], bool]) -> None:
        self._is_secret = is_secret
        self._of: Counter[str] = Counter()

    @property
    def under_way(self) -> int:
        return self._of.total()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, resolver=GuardedResolver(), force_close=True, ttl_dns_cache=5),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=SILENCE),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def pass_on(
        self, request: web.Request, targets: Sequence[str], peer: str, body: bytes | None = None
    ) -> web.StreamResponse:
        """The answer of the first of these URLs that takes the request. `body`: what was read of it already.
        Busy, TooLong, TooSlow, Unreachable."""
        if (request.content_length or 0) > MAX_UPLOAD:
            raise TooLong
        if self.under_way >= MOST or self._of[peer] >= MOST_OF_ADDRESS:
            raise Busy
        self._of[peer] += 1
        try:
            return await _while_there(request, self._pass_on(request, targets, peer, body))
        finally:
            self._of[peer] -= 1
            self._of += Counter()  # forgets whom nothing is under way for

    async def _pass_on(
        self, request: web.Request, targets: Sequence[str], peer: str, body: bytes | None
    ) -> web.StreamResponse:
        upload = _Upload(request)
        headers = self._onward(request.headers, peer, whole=body is not None)
        failure = Unreachable("no worker runs it", sent=False)
        for target in targets[:TRIES]:
            data = body if body is not None else upload.pieces() if request.can_read_body else None
            try:
                answer = await self._session.request(
                    request.method, URL(target, encoded=True), headers=headers, data=data, allow_redirects=False
                )
            except (aiohttp.ClientError, OSError, ValueError) as error:
                if upload.fault is not None:
                    raise upload.fault from None
                failure = _unreachable(error, upload.begun)
                if failure.sent:
                    break
                continue
            async with answer:
                return await _give_back(request, answer)
        raise failure

    def _onward(self, given: Mapping[str, str], peer: str, *, whole: bool) -> CIMultiDict[str]:
        left_out = (
            _HOP | _OURS | _CLAIMS | _named(given.get(hdrs.CONNECTION, "")) | ({"content-length"} if whole else set())
        )
        headers = CIMultiDict(
            (name, value)
            for name, value in given.items()
            if name.lower() not in left_out and not self._is_secret(name.lower(), value)
        )
        headers[hdrs.X_FORWARDED_FOR] = ", ".join(filter(None, [*headers.popall(hdrs.X_FORWARDED_FOR, []), peer]))
        headers[hdrs.VIA] = ", ".join([*headers.popall(hdrs.VIA, []), "1.1 coordinator"])
        return headers


class _Upload:
    """The asker's body, piece by piece. `begun`: some of it may be gone, there is no second try. `fault` is the
    asker's, whatever becomes of it on the worker's side."""

    def __init__(self, request: web.Request) -> None:
        self._content = request.content
        self.begun = False
        self.fault: TooLong | TooSlow | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        size = 0
        while piece := await self._next():
            self.begun = True
            size += len(piece)
            if size > MAX_UPLOAD:
                self.fault = TooLong()
                raise self.fault
            yield piece

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(UPLOAD_SILENCE):
                return await self._content.readany()
        except TimeoutError:
            self.fault = TooSlow()
            raise self.fault from None


async def _give_back(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    left_out = _HOP | _GUARDED | _named(answer.headers.get(hdrs.CONNECTION, ""))
    headers = CIMultiDict((name, value) for name, value in answer.headers.items() if name.lower() not in left_out)
    headers.add("Content-Security-Policy", "sandbox")  # a worker's page is not of this site
    headers["X-Content-Type-Options"] = "nosniff"
    response = web.StreamResponse(status=answer.status, headers=headers)
    if response.status in (204, 304) or request.method == hdrs.METH_HEAD:
        await response.prepare(request)
        return response
    await response.prepare(request)
    try:
        async for piece in answer.content.iter_any():
            async with asyncio.timeout(WRITE_TIMEOUT):
                await response.write(piece)
    except (aiohttp.ClientError, OSError):  # TimeoutError too
        if request.transport is not None:
            request.transport.abort()  # half an answer must not look like a whole one
    return response


async def _while_there(request: web.Request, work: Awaitable[web.StreamResponse]) -> web.StreamResponse:
    """Until the asker leaves: nobody is to hold a worker, and one of our places, for nobody."""
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=LOOK)
            if request.transport is None or request.transport.is_closing():
                task.cancel()
                await asyncio.wait({task})
                return task.result() if not task.cancelled() else web.Response(status=499, reason="left")
        return task.result()
    finally:
        task.cancel()


def _unreachable(error: Exception, begun: bool) -> Unreachable:
    why = str(error) or type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError) and not begun:
        return Unreachable(why, sent=False)
    return Unreachable(why, sent=True, late=isinstance(error, TimeoutError))


def _named(connection: str) -> set[str]:
    """Fields that end at this hop (RFC 9110 section 7.6.1)."""
    return {name.strip().lower() for name in connection.split(",")}
