"""Active health checks, once per host: GET `url + health_path`, alive is any status below 500.

A change of mind takes several checks in a row (`fall`, `rise`), which follow each other faster than others;
the very first check decides alone, and so does one that fails after a process has reported a failure, since two who
looked agree. Endpoints with the same URL and path share one check.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

import aiohttp
from yarl import URL

from edgeproxy.discovery.resolver import ReachResolver
from edgeproxy.discovery.snapshot import Endpoint
from edgeproxy.net.resolve import literal
from edgeproxy.policy.reach import OPERATOR, Reach

log = logging.getLogger(__name__)

MAX_BODY: Final = 64 * 1024  # read, so that the worker sees its answer taken; no health page is longer
AT_ONCE: Final = 64  # checks in flight: sockets, and a burst that a small machine bears
JITTER: Final = 0.2
FAST: Final = 0.2  # of the interval, while the verdict hangs
PROBE_GAP: Final = 0.1  # reports of failure from several processes are answered by one check


@dataclass(slots=True)
class Verdict:
    """Whether a target is alive, from the checks so far. `alive` is None until the first."""

    fall: int = 3
    rise: int = 2
    alive: bool | None = None
    against: int = 0  # checks in a row that contradict `alive`
    suspected: bool = False  # a request to it has failed since the last check

    def observe(self, ok: bool) -> bool:
        """Count one check; True if `alive` has changed by it."""
        suspected, self.suspected = self.suspected, False
        if ok == self.alive:
            self.against = 0
            return False
        self.against += 1
        if suspected and not ok:
            self.against = self.fall
        if self.alive is not None and self.against < (self.fall if self.alive else self.rise):
            return False
        self.alive, self.against = ok, 0
        return True


@dataclass(slots=True)
class Target:
    """What is checked: one URL, for the endpoints that share it."""

    url: str
    verdict: Verdict
    ids: frozenset[str]
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class HealthChecker:
    """`update` it with endpoints, `run` it as a task; it calls `on_health({endpoint id: alive})`."""

    def __init__(
        self,
        on_health: Callable[[Mapping[str, bool]], None],
        *,
        interval_s: float = 5.0,
        timeout_s: float = 3.0,
        fall: int = 3,
        rise: int = 2,
        reach: Reach = OPERATOR,
    ) -> None:
        self._on_health = on_health
        self._interval = interval_s
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._reach = reach
        self._fall, self._rise = fall, rise
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._targets: dict[str, Target] = {}
        self._target_of: dict[str, Target] = {}
        self._group: asyncio.TaskGroup | None = None
        self._session: aiohttp.ClientSession | None = None

    def update(self, endpoints: Iterable[Endpoint]) -> None:
        """Check these from now on. What is known of those that stay, stays."""
        wanted: dict[str, set[str]] = {}
        for endpoint in endpoints:
            if endpoint.machine:  # its connections end when it does
                continue
            wanted.setdefault(endpoint.url + endpoint.health_path, set()).add(endpoint.id)
        for url in self._targets.keys() - wanted.keys():
            self._drop(self._targets.pop(url))
        self._target_of = {}
        for url, ids in wanted.items():
            self._want(url, frozenset(ids))

    def probe_soon(self, endpoint_id: str) -> None:
        """A process saw this endpoint fail: check it now, unless that was just done."""
        if target := self._target_of.get(endpoint_id):
            target.verdict.suspected = True
            target.wake.set()

    async def run(self) -> None:
        # a fresh connection each time: a listener that no longer accepts must not hide behind a kept one
        connector = aiohttp.TCPConnector(limit=AT_ONCE, force_close=True, resolver=ReachResolver(self._reach))
        async with (
            aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"User-Agent": "edgeproxy-health"},
            ) as self._session,
            asyncio.TaskGroup() as self._group,
        ):
            for target in self._targets.values():
                target.task = self._group.create_task(self._watch(target))
            await asyncio.Event().wait()

    def _want(self, url: str, ids: frozenset[str]) -> None:
        target = self._targets.get(url)
        if target is None:
            target = self._targets[url] = Target(url, Verdict(self._fall, self._rise), ids)
            if self._group is not None:
                target.task = self._group.create_task(self._watch(target))
        new, target.ids = ids - target.ids, ids
        self._target_of.update(dict.fromkeys(ids, target))
        if new and target.verdict.alive is not None:
            self._on_health(dict.fromkeys(new, target.verdict.alive))

    def _drop(self, target: Target) -> None:
        if target.task is not None:
            target.task.cancel()

    async def _watch(self, target: Target) -> None:
        await asyncio.sleep(random.uniform(0, min(JITTER, self._interval)))  # a new list is not checked in one burst
        while True:
            target.wake.clear()
            started = monotonic()
            async with self._slots:
                ok = await self._check(target.url)
            if target.verdict.observe(ok):
                log.info("%s is %s", target.url, "alive" if ok else "down")
                self._on_health(dict.fromkeys(target.ids, ok))
            await self._pause(target, started)

    async def _pause(self, target: Target, started: float) -> None:
        wait = self._interval * (FAST if target.verdict.against else random.uniform(1 - JITTER, 1 + JITTER))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await target.wake.wait()
        await asyncio.sleep(max(0.0, started + PROBE_GAP - monotonic()) if target.wake.is_set() else 0)

    async def _check(self, url: str) -> bool:
        assert self._session is not None
        if literal(url) and not self._reach.allows(literal(url)):
            return False  # aiohttp asks no resolver for an address
        try:
            async with self._session.get(URL(url, encoded=True), allow_redirects=False) as response:
                await _read_some(response.content)
                return response.status < 500
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return False


async def _read_some(content: aiohttp.StreamReader) -> None:
    left = MAX_BODY
    while left > 0 and (chunk := await content.read(left)):
        left -= len(chunk)
