"""Asks workers whether they are there: the registry's probes, made with aiohttp.

A worker chose the URL, so the question must not do anything for it: a GET without credentials to an address
that a worker can have (`urls`, `GuardedResolver`), no redirect is followed, of the answer only the status is
read, and all that comes out is one of four words.
"""

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

import aiohttp
import orjson
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from coordinator.record import Verdict
from coordinator.registry import Now, Registry
from coordinator.watch import Probe
from edgeproxy.cluster.addresses import embedded, is_nobodys, parse_address

log = structlog.get_logger(__name__)

PATIENCE: Final = 1.0  # seconds for an answer, name, connection and TLS included
TRIES: Final = 3  # a lost SYN is sent again after a second (RFC 6298 section 2.1): as long as all our patience
TRY_AGAIN: Final = 0.3  # seconds after which one more connection is tried beside those that are silent
MOST_AT_ONCE: Final = 256
MOST_FOR_PEERS: Final = 64
GATEWAY_SAYS_GONE: Final = frozenset({502, 504, *range(520, 531)})  # of a tunnel's front, whose end is away
_OUR_FAULT: Final = frozenset(
    {errno.ENETUNREACH, errno.ENETDOWN, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EADDRNOTAVAIL, errno.EPERM}
)
MAX_VERDICT: Final = 1024  # bytes of a peer's answer


class Refused(OSError):
    """A name that stands for an address that no worker can have."""


class GuardedResolver(AbstractResolver):
    """The system's, without what a name must not lead to: metadata services, everybody, and, unless the name is
    localhost itself, ourselves."""

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        good = [result for result in found if may_be_asked(host, result["host"])]
        if not good:
            raise Refused(errno.EPERM, f"{host} is at no address that a worker can have")
        return good

    async def close(self) -> None:
        await self._resolver.close()


def may_be_asked(host: str, address: str) -> bool:
    found = parse_address(address)
    if found is None or is_nobodys(found):
        return False
    return not embedded(found).is_loopback or host.rstrip(".") == "localhost"


class Prober:
    """An async context manager. `launch` starts what the registry wants to know; nothing is waited for."""

    def __init__(
        self, registry: Registry, clock: Callable[[], Now], peers: Sequence[str] = (), key: str | None = None
    ) -> None:
        self._registry, self._clock, self._peers, self._key = registry, clock, tuple(peers), key
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked = 0
        self._for_peers = 0

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, resolver=GuardedResolver(), force_close=True, ttl_dns_cache=5)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            headers={"User-Agent": "edgeproxy-coordinator"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._session.close()

    def launch(self) -> None:
        """Take what the registry wants to know, as much as can be asked at once."""
        for probe in self._registry.take_probes(MOST_AT_ONCE - len(self._tasks)):
            task = asyncio.get_running_loop().create_task(self._follow(probe))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def ask(self, url: str) -> Verdict:
        """Whether somebody answers there, within `PATIENCE`: the first word of several tries."""
        tries: set[asyncio.Task[Verdict]] = set()
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    tries.add(asyncio.get_running_loop().create_task(self._try(url)))
                    pause = TRY_AGAIN if len(tries) < TRIES else None
                    said, _ = await asyncio.wait(tries, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                    if said:
                        return said.pop().result()
        except TimeoutError:
            return "silent"
        finally:
            for one in tries:
                one.cancel()
            await asyncio.gather(*tries, return_exceptions=True)

    async def _try(self, url: str) -> Verdict:
        try:
            async with self._session.get(URL(url, encoded=True), allow_redirects=False) as response:
                return "silent" if response.status in GATEWAY_SAYS_GONE else "alive"
        except TimeoutError:
            return "silent"
        except aiohttp.ClientConnectorCertificateError:
            return "alive"  # somebody is there; whether to trust them is the edge's question
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return verdict_of(error)

    async def ask_for_peer(self, url: str) -> Verdict | None:
        """The same for a peer; None if too many are being asked."""
        if self._for_peers >= MOST_FOR_PEERS:
            return None
        self._for_peers += 1
        try:
            return await self.ask(url)
        finally:
            self._for_peers -= 1

    async def _follow(self, probe: Probe) -> None:
        """Our own question and a peer's, side by side; each is told as soon as it is known. A peer is asked of
        a new worker only where we cannot reach it ourselves."""
        if probe.why == "doubt":
            async with asyncio.TaskGroup() as group:
                group.create_task(self._ask_directly(probe))
                group.create_task(self._ask_peer(probe))
        elif await self._ask_directly(probe) != "alive" and self._peers:
            await self._ask_peer(probe)

    async def _ask_directly(self, probe: Probe) -> Verdict:
        verdict = await self.ask(probe.url)
        self._registry.probed(probe.worker_id, probe.incarnation, self._clock(), direct=verdict, url=probe.url)
        return verdict

    async def _ask_peer(self, probe: Probe) -> None:
        verdict = await self._peers_verdict(probe.url)
        self._registry.probed(probe.worker_id, probe.incarnation, self._clock(), peer=verdict, url=probe.url)

    async def _peers_verdict(self, url: str) -> Verdict:
        """Of one peer, in turn; "absent" where there is none, or none that can say."""
        if not self._peers:
            return "absent"
        self._asked += 1
        peer = self._peers[self._asked % len(self._peers)]
        headers = {"Content-Type": "application/json", **({"X-API-Key": self._key} if self._key else {})}
        try:
            async with asyncio.timeout(2 * PATIENCE):
                async with self._session.post(
                    URL(peer + "/v1/probe", encoded=True),
                    data=orjson.dumps({"url": url}),
                    headers=headers,
                    allow_redirects=False,
                ) as response:
                    return said_by_peer(response.status, await response.content.read(MAX_VERDICT))
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            return "absent"


def said_by_peer(status: int, body: bytes) -> Verdict:
    """What a peer's answer means; one that fails is no witness."""
    try:
        said = orjson.loads(body)["verdict"] if status == 200 else None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "absent"
    return said if said in ("alive", "refused", "silent", "unknown") else "absent"


def verdict_of(error: Exception) -> Verdict:
    """A refused connection is its machine's word; what we cannot even try is no word at all."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(error, aiohttp.ClientConnectorDNSError | ValueError):
        return "unknown"
    number = cause.errno if isinstance(cause, OSError) else None
    if number == errno.ECONNREFUSED:
        return "refused"
    return "unknown" if number in _OUR_FAULT else "silent"
