"""The federation on the network: exchanges over HTTP, the directory, certificates. Decisions are `node`'s.

async with Shell(...) as shell: await shell.run()
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, Protocol, Self

import aiohttp
import orjson
import structlog
from yarl import URL

from coordinator.api import views
from coordinator.federation import attest, wire
from coordinator.federation.bridge import Bridge
from coordinator.federation.foreign import listed
from coordinator.federation.handover import Handover
from coordinator.federation.link import TIMEOUT, Peer
from coordinator.federation.messages import MAX_EXCHANGE, Exchange
from coordinator.federation.node import Node, Refused
from coordinator.federation.quota import Quotas
from coordinator.federation.record import Record
from coordinator.federation.roster import Roster
from coordinator.identity.keys import CoordinatorKeys
from coordinator.registry import Now, Registry, Worker
from edgeproxy.cluster.homes.trust import MAX_DOCUMENT, Untrusted
from edgeproxy.cluster.messages import Registration
from edgeproxy.runtime.tasks import hold

log = structlog.get_logger(__name__)

TICK: Final = 0.2
NEWS_EVERY: Final = 0.2  # edges are told of changes elsewhere so often at most
ROSTER_EVERY: Final = 60.0
MOST_AT_ONCE: Final = 64
SPARE: Final = 1000  # rows of records that are gone


@dataclass(slots=True)
class Told:
    """A record of another home, read once: `facts` as `views.record` makes them."""

    record: Record
    facts: dict[str, Any]


class Shared(Protocol):
    """The store of our site, where there is one."""

    degraded: bool

    async def close(self) -> None: ...


class Shell:
    """`keys` are ours, `roster` says whom to trust. What handlers need is api.state.Federation."""

    def __init__(self, registry: Registry, keys: CoordinatorKeys, roster: Roster, clock: Callable[[], Now]) -> None:
        self.node = Node(keys.name, _boot(clock()), roster.role)
        self.node.settled = False
        self.bridge = Bridge(registry, self.node, _facts)
        self.roster = roster
        self.shared: Shared | None = None
        self._registry, self._keys, self._clock = registry, keys, clock
        self._told: dict[str, Told] = {}
        self._news = False
        maxima = {row.spec.name: row.maximum for row in registry.catalog.values() if row.maximum is not None}
        self._quotas = Quotas(maxima if roster.federated else {})
        self._quotas.outstanding = roster.kept_granted()
        self._quota = roster.kept_quota()
        self.node.quota = dict(self._quota)
        self.node.on_quota = self._quotas.acknowledged
        if self._quotas.maxima:
            self._cap()
        self._handover: Handover | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.node.genuine = lambda record: attest.genuine(record, self.node.view, roster.vouching)
        self.node.on_change = self._note_change
        self.node.know(roster.peers())

    async def __aenter__(self) -> Self:
        self.session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            connector=aiohttp.TCPConnector(limit=MOST_AT_ONCE, keepalive_timeout=30.0),
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.shared is not None:
            await self.shared.close()
        await self.session.close()

    @property
    def is_degraded(self) -> bool | None:
        return None if self.shared is None else self.shared.degraded

    async def run(self) -> None:
        """Until it is cancelled."""
        news, roster = 0.0, monotonic() + 1.0
        while True:
            await asyncio.sleep(TICK)
            now = self._clock()
            self.tick(now)
            if now.monotonic >= news and self._news:
                news, self._news = now.monotonic + NEWS_EVERY, False
                self._registry.events.add("fleet", now.wall, detail="workers of other coordinators")
            if now.monotonic >= roster:
                roster = now.monotonic + ROSTER_EVERY
                self._start(self._renew())

    async def hand_over(self, within: float) -> None:
        """We leave: until no worker is at home here, there is nobody who could take one, or the time is over."""
        handover = self._handover = Handover(self.node, self.bridge.lives)
        start = monotonic()
        while monotonic() < start + within and not handover.over(self._registry, self._clock().monotonic):
            await asyncio.sleep(TICK)
        left = len(self._registry.live(self._clock()))
        log.info("leaving", seconds=round(monotonic() - start, 1), workers=left)

    def tick(self, now: Now) -> None:
        """One turn: what changed is told, who is due is asked."""
        self.bridge.pump(now)
        if not self.node.settled and self._registry.settled(now):
            self.node.settle(now.monotonic)
        self.node.advance(now.monotonic)
        self._share_quotas(now)
        for peer, message in self.node.poll(now.monotonic):
            self._start(self._exchange(peer, message))

    def _share_quotas(self, now: Now) -> None:
        """Services that have a maximum: the primary grants parts of it, a region keeps to its part."""
        if not self._quotas.maxima:
            return
        if self.node.role == "primary":
            names = [self.node.name, *(c.name for c in self.roster.directory.certificates.values())]
            plan = self._quotas.plan({name: self._count(name) for name in dict.fromkeys(names)})
            self.roster.keep_granted(self._quotas.outstanding)  # before anybody hears of it
            self.node.quotas, self.node.quota = plan, plan[self.node.name]
            self._quotas.acknowledged(self.node.name, plan[self.node.name])
        if self.node.quota != self._quota:
            self._quota = dict(self.node.quota)
            self._cap()
            self.roster.keep_quota(self._quota)

    def _cap(self) -> None:
        """Without a grant nobody new is told to run what has a maximum: others may be running it all."""
        fleet = self._registry.assignments.fleet
        indexes = {row.spec.name: index for index, row in enumerate(fleet.catalog.rows)}
        fleet.caps = {indexes[name]: self._quota.get(name, 0) for name in self._quotas.maxima}

    # what handlers need

    def receive(self, header: str | None, body: bytes) -> tuple[bytes, dict[str, str]]:
        """A peer's exchange: our answer. ValueError, Forged or Refused."""
        try:
            message = wire.load(header, body)
        except ValueError as error:
            self.node.counts["refused_forged" if isinstance(error, wire.Forged) else "refused_malformed"] += 1
            raise
        return wire.dump(self.node.receive(message, self._clock().monotonic), self._keys.sign)

    def known_life(self, header: str, body: bytes, registration: Registration) -> int | None:
        life = attest.life_of(self.node.name, header, body, registration)
        known = None if life is None else self.bridge.outlived(life)
        return None if known is None else known[0]

    def registered(self, worker: Worker, header: str | None, body: bytes, registration: Registration) -> None:
        life = None if header is None else attest.life_of(self.node.name, header, body, registration)
        self.bridge.registered(worker.worker_id, life)

    def elsewhere(self, at: Now) -> list[dict[str, Any]]:
        """Workers of other homes. One that took a name of ours goes by a longer one."""
        if len(self._told) > 2 * len(self.node.view) + SPARE:
            self._told.clear()
        foreign = (record for record in self.node.routable(at.monotonic) if record.home != self.node.name)
        rows = [self._record_of(record, at) for record in foreign]
        return sorted(rows, key=lambda row: str(row["worker_id"]))

    def coordinators(self, at: Now) -> list[dict[str, Any]]:
        return [
            {
                "worker_id": name,
                "tunnel_url": certificate.url,
                "location": certificate.region,
                "role": certificate.role,
                "owner": certificate.owner,
                "standing": self.node.standing(name, at.monotonic),
                "workers": self._count(name),
                "registered_at": None,
                "dht_port": None,
                "last_seen": int((at.wall.timestamp() - self._silent(name, at)) * 1000),
            }
            for name, certificate in sorted(self.roster.directory.certificates.items())
        ]

    def alternates(self, at: Now) -> list[str]:
        known = self.roster.directory.certificates
        takers = {} if self._handover is None else self._handover.takers(at.monotonic)
        return [known[name].url for name in takers if name in known]

    def move_to(self, worker_id: str, at: Now) -> str | None:
        name = None if self._handover is None else self._handover.target(worker_id, at.monotonic)
        certificate = self.roster.directory.certificates.get(name or "")
        return None if certificate is None else certificate.url

    def _count(self, name: str) -> int:
        digest = self.node.view.digests.get(name)
        return digest.count if digest else 0

    def _silent(self, name: str, at: Now) -> float:
        home = self.node.homes.known.get(name)
        return 0.0 if home is None else at.monotonic - home.heard

    def _record_of(self, record: Record, at: Now) -> dict[str, Any]:
        told = self._told.get(record.key)
        if told is None or told.record is not record:
            told = self._told[record.key] = Told(record, listed(record.facts))
        facts = told.facts
        own = self._registry.workers.get(str(facts["worker_id"]))
        name = f"{facts['worker_id']}~{record.key[:8]}" if own is not None else facts["worker_id"]
        certificate = self.roster.directory.certificates.get(record.home)
        orphaned = self.node.standing(record.home, at.monotonic) == "lost"
        return {
            **facts,
            "worker_id": name,
            "region": facts.get("region") or (certificate.region if certificate else None),
            "home": record.home,
            "orphaned": orphaned,
            "is_healthy": facts.get("status") == "healthy",
        }

    def _note_change(self, record: Record) -> None:
        self._news = True
        if record.gone:
            self._told.pop(record.key, None)

    # the network

    def _start(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        task = hold(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _exchange(self, peer: Peer, message: Exchange) -> None:
        try:
            answer = await self._ask(peer, message)
            self.node.answered(peer.name, answer, self._clock().monotonic)
        except Refused as refused:
            if refused.boot:
                self.node.outlived(refused.boot, self._clock().monotonic)
            self.node.failed(peer.name, self._clock().monotonic)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            self.node.counts["failed_exchanges"] += 1
            self.node.failed(peer.name, self._clock().monotonic)
            log.debug("an exchange failed", peer=peer.name, reason=str(error) or type(error).__name__)

    async def _ask(self, peer: Peer, message: Exchange) -> Exchange:
        body, headers = wire.dump(message, self._keys.sign)
        url = URL(f"{peer.url}{wire.EXCHANGE_PATH}", encoded=True)
        headers["Content-Type"] = "application/json"
        async with self.session.post(url, data=body, headers=headers, allow_redirects=False) as response:
            content = await _bounded(response, MAX_EXCHANGE)
            if response.status == 409:
                raise Refused("outlived", _known_boot(content))
            if response.status != 200:
                raise ValueError(f"{peer.url} answered {response.status}: {content[:200]!r}")
            return wire.load(response.headers.get(wire.SIGNATURE), content)

    async def _renew(self) -> None:
        """Our certificate while there is time, and the directory as the primary has it."""
        with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError, Untrusted, ValueError):
            for url in self.roster.primaries():
                if self.roster.should_renew(self._clock().wall.timestamp()):
                    body = self.roster.request()
                    headers = wire.sealed(self.node.name, self._keys.sign, body)
                    await self._fetch(url + wire.RENEW_PATH, self.roster.add_certificate, body, headers)
                await self._fetch(url + wire.DIRECTORY_PATH, self.roster.learn)
        self.roster.renew_own(self._clock().wall.timestamp())
        self.node.know(self.roster.peers())

    async def _fetch(
        self,
        url: str,
        take: Callable[[bytes], None],
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        method = "GET" if body is None else "POST"
        async with self.session.request(
            method, URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
        ) as response:
            content = await _bounded(response, MAX_DOCUMENT)
            if response.status == 200:
                take(content)


async def _bounded(response: aiohttp.ClientResponse, most: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most:
            raise ValueError(f"an answer is longer than {most} bytes")
    return bytes(body)


def _known_boot(content: bytes) -> int:
    try:
        boot = orjson.loads(content)["boot"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return 0
    return boot if type(boot) is int and 0 <= boot < 2**53 - 1 else 0


def _boot(now: Now) -> int:
    """Milliseconds of the wall clock: rises with every start, but for a clock that went back (`Node.outlived`)."""
    return int(now.wall.timestamp() * 1000)


_UNTOLD: Final = frozenset({"last_heartbeat", "current_load", "reached", "unverified", "incarnation"})


def _facts(worker: Worker, now: Now) -> bytes:
    """All but what changes with every heartbeat."""
    return orjson.dumps({name: value for name, value in views.record(worker, now).items() if name not in _UNTOLD})
