"""The words for a worker's life, and the times after which they change. Pure; durations in seconds.

docs/coordinator.md explains each number. Ages are by the fair clock (`stalls`): time in which we ourselves
stood still does not count.
"""

from typing import Final, Literal

from edgeproxy.cluster.messages import WorkerStatus

Status = Literal["starting", "healthy", "degraded", "suspect", "offline", "draining"]

SUSPECT_AFTER: Final = 1.3  # intervals without a heartbeat: the agent's jitter is 0.1, the rest is the network's
DEAD_AFTER: Final = 3.0  # intervals, where no probe gives an answer: a worker behind NAT, a prober that is busy
BROKEN_DEAD_AFTER: Final = 1.5  # the same, where its connection broke, or an edge lost it: a second sign beside silence
VERDICT_WITHIN: Final = 2.5  # a probe takes 1 s at most; one that has not come back by then never will
PROBE_AGAIN: Final = 5.0  # between probes of a worker that answers them and sends no heartbeats
ANSWERS_FOR: Final = 600.0  # how long such a worker stays: its users are served, but it obeys nobody
REMOVED_AFTER: Final = 600.0  # of silence: its record is kept so long, to give it its services back
LOADING: Final = 1800.0  # the same for an old agent that never beat: it loads its models first

OLD_INTERVAL: Final = 30.0  # agents that do not report services beat every 30 s, whatever they are told

_WORDS: Final[dict[Status, WorkerStatus]] = {
    "starting": "healthy",
    "healthy": "healthy",
    "degraded": "degraded",
    "suspect": "degraded",
    "draining": "degraded",
    "offline": "offline",
}
FINE: Final = frozenset({"healthy", "online", "registered"})  # what agents of any age say when all is well


def word(status: Status) -> WorkerStatus:
    """The one of three words that dashboards and old clients understand."""
    return _WORDS[status]


def interval(told: float, reports_services: bool) -> float:
    """How often a worker really beats."""
    return told if reports_services else OLD_INTERVAL


def removed_after(has_beaten: bool, reports_services: bool) -> float:
    return REMOVED_AFTER if has_beaten or reports_services else LOADING
