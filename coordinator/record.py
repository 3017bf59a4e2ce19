"""One worker's record, in less than a kilobyte: what it said packed, what is decided by it in plain fields."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any, Final, Literal, Self, overload
from urllib.parse import urlsplit

import orjson

from coordinator import liveness
from coordinator.fleet import Kind, Member
from coordinator.liveness import Status
from coordinator.packing import compact, pack, pack_reports, same_reports, unpack, unpack_reports, unpack_rows
from coordinator.wheel import Slot
from edgeproxy.cluster.messages import Heartbeat, Registration, ServiceReport, ServiceStatus, WorkerStatus
from edgeproxy.cluster.services import TIERS, WorkerType
from edgeproxy.cluster.urls import reverse_parts

Verdict = Literal["alive", "refused", "silent", "unknown", "absent"]
"""Of a probe: it answers; its machine refuses the connection; nothing comes back; we could not even ask;
there is no peer to ask."""

NO_EXTRAS: Final[dict[str, Any]] = {
    "available_memory": None,
    "loaded_models": [],
    "active_requests": 0,
    "gpu_utilization": None,
    "services_status": {},
    "specialization": None,
}
ORDERS: Final = 1 << 3 | 1 << 4  # of the flags, those that an operator set: cordoned, draining
MOST_LOAD: Final = 8
_LOADS: Final = tuple(hundredths / 100 for hundredths in range(MOST_LOAD * 100 + 1))
SEEN_FOR: Final = 30.0  # seconds that a proxy's word on a worker's load is good for


@dataclass(frozen=True, slots=True)
class Now:
    """One moment on both clocks: `monotonic` seconds for ages, `wall` (UTC) for people."""

    monotonic: float
    wall: datetime


@dataclass(slots=True)
class Suspicion:
    """What is known of a worker that is silent, or whose connection `broke`. Verdicts are of the round of
    probes that was asked for at `asked`; `answered` is when one last said that it is alive."""

    since: float
    asked: float
    broke: bool = False
    direct: Verdict | None = None
    peer: Verdict | None = None
    answered: float | None = None

    def ask(self, now: float) -> None:
        self.asked, self.direct, self.peer = now, None, None

    def evidence(self, now: float, reached: bool) -> Literal["weak", "strong"] | None:
        """Of its death. What could not be reached before proves nothing by not being reached now, and our
        own failure to ask proves nothing either."""
        if not reached or self.direct is None or "alive" in (self.direct, self.peer):
            return None
        if self.peer is None and now < self.asked + liveness.VERDICT_WITHIN:
            return None
        if "refused" in (self.direct, self.peer):
            return "strong"
        return "weak" if self.direct == "silent" else None


class Flag:
    """One bit of a worker's `flags`: eight bytes less than a field of its own, a hundred thousand times."""

    def __init__(self, bit: int) -> None:
        self._mask = 1 << bit

    @overload
    def __get__(self, worker: None, owner: type) -> Self: ...

    @overload
    def __get__(self, worker: "Worker", owner: type) -> bool: ...

    def __get__(self, worker: "Worker | None", owner: type) -> Self | bool:
        return self if worker is None else bool(worker.flags & self._mask)

    def __set__(self, worker: "Worker", value: bool) -> None:
        worker.flags = worker.flags | self._mask if value else worker.flags & ~self._mask


@dataclass(slots=True)
class Worker:
    """`heard` and `told_at` are seconds of the monotonic clock, `registered` of the wall clock (UTC).

    `interval` is what the worker was told; `assigned` what it shall run, the most urgent first; `member` its
    place in the fleet, None while it is offline. `credential` belongs to the API: it is kept with the
    record. `unverified`: from a snapshot, and not heard of since. `reached`: whether we have ever reached
    it; `hidden`: not shown to edges until somebody has. `near`: a program of our own machine registered it,
    which is believed."""

    worker_id: str
    facts: bytes
    kind: Kind
    worker_type: WorkerType
    registered: float
    heard: float
    interval: float
    lives: int = 0
    reports: bytes | None = None
    extras_packed: bytes | None = None
    status: Status = "offline"
    assigned: tuple[str, ...] = ()
    told_at: float = 0.0
    member: Member | None = None
    flags: int = 0
    reached: bool | None = None
    own_load: float = 0.0
    load_step: int = 0
    seen: tuple[float, float] | None = None
    suspicion: Suspicion | None = None
    alarm: Slot | None = None
    credential: bytes | None = None

    ails = Flag(0)  # it says itself that it is not well
    has_beaten = Flag(1)
    waits = Flag(2)  # it was told to run something that it does not report yet
    cordoned = Flag(3)
    draining = Flag(4)
    unverified = Flag(5)
    hidden = Flag(6)
    near = Flag(7)

    @property
    def incarnation(self) -> int:
        """Rises with every registration, over our restarts too: it begins with the second of the first one."""
        return int(self.registered) + self.lives

    @property
    def tier(self) -> int:
        return TIERS[self.worker_type]

    @property
    def word(self) -> WorkerStatus:
        """The status in the words of dashboards and old clients."""
        return liveness.word(self.status)

    @property
    def beat_interval(self) -> float:
        return liveness.interval(self.interval, self.reports is not None)

    @property
    def size(self) -> int:
        """Bytes of what it said: its share of the registry's bound."""
        return len(self.facts) + len(self.reports or b"") + len(self.extras_packed or b"")

    @property
    def live(self) -> bool:
        return self.status != "offline"

    @property
    def routable(self) -> bool:
        return self.live and not self.hidden

    def told(self) -> dict[str, Any]:
        """tunnel_url, vpn_ip, region, capabilities, runnable, reverse_key, as they were registered."""
        facts: dict[str, Any] = unpack(self.facts)
        return facts

    @property
    def tunnel_url(self) -> str | None:
        url: str | None = self.told()["tunnel_url"]
        return url

    @property
    def capabilities(self) -> dict[str, Any]:
        capabilities: dict[str, Any] = self.told()["capabilities"]
        return capabilities

    @property
    def services(self) -> tuple[ServiceReport, ...] | None:
        """What it reports to run; None for an old agent. What a draining worker has handed over is left out:
        it still runs for those who are there, and nobody new is sent."""
        if self.reports is None:
            return None
        reports = unpack_reports(self.reports)
        return tuple(r for r in reports if r.name in self.assigned) if self.draining else reports

    @property
    def extras(self) -> dict[str, Any]:
        """What older agents add to a heartbeat, for dashboards."""
        given = {} if self.extras_packed is None else orjson.loads(self.extras_packed)
        if "services_status" not in given and self.reports is not None:
            given["services_status"] = self.states()
        return {**NO_EXTRAS, **given}

    @property
    def registered_at(self) -> datetime:
        return datetime.fromtimestamp(self.registered, UTC)

    def last_heartbeat(self, now: Now) -> datetime:
        return now.wall - timedelta(seconds=now.monotonic - self.heard)

    def load(self, now: Now) -> float:
        """Its own word, or a proxy's where that is higher: a proxy sees the queue, the agent the machine."""
        if self.seen is not None and now.monotonic - self.seen[1] < SEEN_FOR:
            return max(self.own_load, self.seen[0])
        return self.own_load

    def running(self) -> tuple[str, ...]:
        """The services that users get here at this moment."""
        if not self.routable:
            return ()
        if self.reports is None:
            return self.assigned
        return tuple(name for name, state in self.states().items() if state == "healthy")

    def states(self) -> dict[str, ServiceStatus]:
        """Of what it reports and is still its, by name; see `services`."""
        rows = unpack_rows(self.reports)
        return {row[0]: row[4] for row in rows if not self.draining or row[0] in self.assigned}

    def hosts(self) -> set[str]:
        """Of its URLs, without this machine's own names: those are nobody else's; and without what is reached by
        connections that it opens itself."""
        urls = [self.tunnel_url, *(row[1] for row in unpack_rows(self.reports) if reverse_parts(row[1]) is None)]
        return {host for url in urls if url and not is_loopback(host := urlsplit(url).hostname or "")}

    def serves_at(self, service: str, url: str) -> bool:
        """Whether edges reach that service of it at this URL."""
        rows = unpack_rows(self.reports)
        if any(row[0] == service and row[1].rstrip("/") == url for row in rows):
            return True
        return service in self.running() and (self.tunnel_url or "").rstrip("/") == url

    def url_of(self, service: str) -> str | None:
        """Where users' requests for a service that it runs go."""
        if self.reports is None:
            return self.tunnel_url
        return next((row[1] for row in unpack_rows(self.reports) if row[0] == service), None)

    def probe_url(self) -> str | None:
        """Where it can be asked whether it is there: at a service that works, else at its own address."""
        for _, service_url, _, health_path, state in unpack_rows(self.reports):
            if state == "healthy" and reverse_parts(service_url) is None:
                return service_url + health_path
        url = self.tunnel_url
        return None if url is None else url + "/health"

    def says_what_it_said(self, heartbeat: Heartbeat) -> bool:
        """Of its services."""
        return heartbeat.services is None or same_reports(self.reports, heartbeat.services)

    def take_in(self, heartbeat: Heartbeat, same_services: bool) -> bool:
        """What it says of itself; whether that changes what it is routed by."""
        self.own_load = _shared(heartbeat.current_load)
        fine, extras = heartbeat.status in liveness.FINE, _extras(heartbeat)
        if extras != self.extras_packed:
            self.extras_packed = extras
        changed = fine == self.ails
        self.ails = not fine
        if heartbeat.services is not None and not same_services:
            self.reports, changed = pack_reports(heartbeat.services), True
        return changed

    def resting_status(self) -> Status:
        """What it is while there is no doubt that it lives."""
        if self.draining:
            return "draining"
        states = self.states().values()
        if self.reports is None:
            if not self.has_beaten:
                return "starting"
        elif "healthy" not in states and "unhealthy" not in states and (states or self.waits):
            return "starting"
        return "healthy" if not self.ails and "unhealthy" not in states else "degraded"


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".") == "localhost"


def _shared(load: float) -> float:
    """In hundredths, which all workers have the same objects of."""
    return _LOADS[round(load * 100)] if load <= MOST_LOAD else load


def facts_of(registration: Registration) -> bytes:
    """What a registration says that only people and edges read."""
    return pack(
        {
            "tunnel_url": registration.tunnel_url,
            "vpn_ip": registration.vpn_ip,
            "region": registration.region,
            "capabilities": registration.capabilities,
            "runnable": registration.runnable,
            "reverse_key": registration.reverse_key,
        }
    )


def reports_of(registration: Registration) -> list[ServiceReport] | None:
    """What runs, as the registration tells it; one older generation calls it `containers` and has no URL of
    its own."""
    if registration.services is not None:
        return registration.services
    if registration.tunnel_url is None and registration.containers:
        return registration.containers
    return None


def distinct(names: Collection[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _extras(heartbeat: Heartbeat) -> bytes | None:
    given = {
        name: value for name, default in NO_EXTRAS.items() if (value := getattr(heartbeat, name)) not in (default, None)
    }
    states = {report.name: report.status for report in heartbeat.services or ()}
    if states and given.get("services_status") == states:
        del given["services_status"]
    return compact(given) if given else None
