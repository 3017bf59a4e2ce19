"""Whether a worker is alive, from the age of its lease. Pure; seconds.

A heartbeat renews the lease for three intervals. After two missed ones a worker is late, after three it is
offline and out of the list; its record stays for ten minutes, so that it comes back to the same services.
"""

from typing import Final, Literal

from edgeproxy.cluster.messages import WorkerStatus

BEATS_A_LEASE: Final = 3
OLD_AGENT_LEASE: Final = 90.0  # agents that do not report services beat every 30 s, whatever they are told
REMOVED_AFTER: Final = 600.0

Lateness = Literal["on time", "late", "gone"]


def lease(heartbeat_interval: float, reports_services: bool) -> float:
    """How long a heartbeat is good for."""
    return BEATS_A_LEASE * heartbeat_interval if reports_services else OLD_AGENT_LEASE


def lateness(age: float, lease: float) -> Lateness:
    """What the time since the last heartbeat says."""
    if age < lease * 2 / BEATS_A_LEASE:
        return "on time"
    return "late" if age < lease else "gone"


def status(age: float, lease: float, reported: str) -> WorkerStatus:
    """The word that dashboards understand, from the lease and from what the worker says of itself."""
    late = lateness(age, lease)
    if late == "gone":
        return "offline"
    fine = late == "on time" and reported in ("healthy", "online", "registered")
    return "healthy" if fine else "degraded"
