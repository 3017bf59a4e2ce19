"""Our place in the fleet: register, heartbeat, register again when we are forgotten, unregister.

Runs in a task of its own that waits for the coordinator and for nothing else: a service that is slow to start
never makes this machine look dead.
"""

import asyncio
import random
from hashlib import sha256
from typing import Any, Final

import structlog

from coordinator.agent import probe
from coordinator.agent.descriptions import Descriptions, runnable_here
from coordinator.agent.detect import Facts, Verdict, decide
from coordinator.agent.dialback import dial_back
from coordinator.agent.edges import Edges
from coordinator.agent.expose import Exposure
from coordinator.agent.place import find_site
from coordinator.agent.services import Services
from coordinator.agent.settings import AgentSettings
from edgeproxy.cluster.client import CoordinatorClient, CoordinatorError
from edgeproxy.cluster.messages import Heartbeat, HeartbeatAnswer, Registration, RegistrationAnswer
from edgeproxy.runtime.backoff import Backoff
from edgeproxy.runtime.sockets import Bind

LEAVE_TIMEOUT: Final = 5.0
LEAST_PAUSE: Final = 0.2  # seconds between heartbeats, however often services change

log = structlog.get_logger(__name__)


class Membership:
    """`live()` until it is cancelled, then `leave()`."""

    def __init__(
        self,
        settings: AgentSettings,
        descriptions: Descriptions,
        client: CoordinatorClient,
        services: Services,
        exposure: Exposure,
        edges: Edges,
        token: str,
    ) -> None:
        self.worker_id = settings.worker_id
        self.joined = asyncio.Event()
        self._settings = settings
        self._descriptions = descriptions
        self._exposure = exposure
        self._edges = edges
        self._reverse_key = sha256(token.encode()).hexdigest()
        self._anew = False
        self._client = client
        self._services = services
        self._interval = 30.0
        self._verdict: Verdict | None = None
        self._away = False
        self._news = asyncio.Event()
        client.on_call = self._news.set

    def wake(self) -> None:
        """Something about our services changed: tell it now."""
        self._news.set()

    def register_again(self) -> None:
        """What only a registration tells has changed."""
        self._anew = True
        self._news.set()

    async def live(self) -> None:
        while True:
            await self._join()
            await self._stay()

    async def leave(self) -> None:
        """Edges stop sending at once, not when our lease ends."""
        if not self.joined.is_set() or self.worker_id is None:
            return
        self.joined.clear()
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT):
                await self._client.unregister(self.worker_id)
        except (CoordinatorError, TimeoutError) as error:
            log.warning("could not unregister", reason=str(error) or "no answer in time")
        else:
            log.info("unregistered", worker_id=self.worker_id)

    async def _join(self) -> None:
        backoff = Backoff(1.0, 30.0, jitter=True)
        self._anew = False
        while True:
            try:
                verdict = self._verdict = self._verdict or await self._find_out()
                answer = await self._client.register(self._registration(verdict.capabilities))
            except CoordinatorError as error:
                self._note_failure("cannot register", error)
                await asyncio.sleep(backoff.next())
            else:
                self._note_success()
                self.worker_id = answer.worker_id
                self.joined.set()
                log.info("registered", worker_id=answer.worker_id, type=answer.worker_type, at=self._client.url)
                self._obey(answer)
                return

    async def _find_out(self) -> Verdict:
        """Once: what kind of worker we are does not change because the coordinator was restarted."""
        latency = await self._latency()
        site = find_site(self._settings, self._client.url)
        seen = await dial_back(self._client, Bind(site.bind, self._settings.port or 0))
        facts = await probe.machine(latency, seen)
        verdict = decide(facts, self._settings.worker_type)
        for check in verdict.checks:
            log.info("detected", check=check.name, passed=check.passed, reason=check.reason)
        self._services.can_run(self._runnable(facts))
        await self._edges.refresh()
        self._exposure.choose(site, seen, self._edges.urls)
        return verdict

    def _runnable(self, facts: Facts) -> Descriptions:
        chosen, reasons = runnable_here(self._descriptions, facts)
        for name, reason in reasons.items():
            log.info("cannot be run here", service=name, reason=reason)
        return chosen

    async def _latency(self) -> float | None:
        try:
            return await probe.latency(self._client)
        except CoordinatorError as error:
            if error.status is None:
                raise  # nobody is there: ask again, what we would find out now would be wrong
            return None

    async def _stay(self) -> None:
        """Heartbeats until the coordinator does not know us."""
        retry = Backoff(0.5, self._interval, jitter=True)
        while True:
            await self._pause(retry.next() if self._away else self._interval * random.uniform(0.9, 1.0))
            self._news.clear()
            try:
                answer = await self._client.heartbeat(self._heartbeat())
            except CoordinatorError as error:
                if error.status == 404:
                    log.info("the coordinator does not know us any more, registering again")
                    return
                self._note_failure("the coordinator is away", error)
            else:
                if self._anew:
                    return
                self._note_success()
                retry = Backoff(0.5, self._interval, jitter=True)
                self._obey(answer)

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(min(LEAST_PAUSE, seconds))
        if self._away:  # news does not bring it back
            await asyncio.sleep(max(0.0, seconds - LEAST_PAUSE))
            return
        try:
            async with asyncio.timeout(max(0.0, seconds - LEAST_PAUSE)):
                await self._news.wait()
        except TimeoutError:
            pass

    def _obey(self, answer: RegistrationAnswer | HeartbeatAnswer) -> None:
        """Old coordinators answer heartbeats with "ok" alone: that changes nothing."""
        if "heartbeat_interval" in answer.model_fields_set:
            self._interval = answer.heartbeat_interval
        if "assigned_services" in answer.model_fields_set:
            self._services.assign(answer.assigned_services, answer.service_configs, linger=self._interval)

    def _registration(self, capabilities: dict[str, Any]) -> Registration:
        return Registration(
            worker_id=self.worker_id,
            tunnel_url=self._exposure.machine_url,
            capabilities={**capabilities, **self._exposure.capabilities},
            region=self._settings.region,
            services=self._services.reports(),
            runnable=self._services.runnable,
            reverse_key=self._reverse_key,
        )

    def _heartbeat(self) -> Heartbeat:
        assert self.worker_id is not None
        reports = self._services.reports()
        return Heartbeat(
            worker_id=self.worker_id,
            current_load=probe.load(),
            services=reports,
            services_status={
                **dict.fromkeys(self._services.refused, "refused"),
                **{report.name: report.status for report in reports},
            },
            available_memory=probe.available_memory(),
        )

    def _note_failure(self, what: str, error: CoordinatorError) -> None:
        """The first of a row is worth a line, or each if it is an answer: then somebody must change something."""
        if not self._away or error.status is not None:
            log.warning(what + hint_of(error), reason=error.message)
        self._away = True

    def _note_success(self) -> None:
        if self._away:
            log.info("the coordinator answers again", at=self._client.url)
        self._away = False


def hint_of(error: CoordinatorError) -> str:
    """What to change. Of 401 and 403 only some are the join secret's: others say that the worker_id is another's, that
    the key was revoked, that this coordinator takes nobody from here; those speak for themselves."""
    of_key = error.status in (401, 403) and "api key" in error.message.lower()
    return ": API_KEY is missing or wrong" if of_key else ""
