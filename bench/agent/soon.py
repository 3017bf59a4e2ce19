"""How soon: from `coordinator agent` to the first request served, and back after the coordinator's restart."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

from bench.agent.lent import Fleet, end, until

SERVICE = "notes-coa"


def first_request(directory: Path, way: str) -> float:
    """Seconds of the clock from the start of the agent's process to an answer of its service through the edge."""
    fleet = Fleet(directory)
    with fleet.coordinator(), fleet.edge():
        started = monotonic()
        with fleet.machine("m1", SERVICE, AGENT_EXPOSE=way):
            until(lambda: fleet.serves(SERVICE))
            return monotonic() - started


def registered_again(directory: Path, heartbeat: float = 2.0) -> float:
    """Heartbeat intervals from when a restarted coordinator answers until it knows the machine again."""
    fleet = Fleet(directory, heartbeat)
    with fleet.coordinator() as coordinator, fleet.machine("m1", SERVICE):
        until(lambda: "m1" in fleet.workers())
        end(coordinator)
        with fleet.coordinator():
            answers = monotonic()
            until(lambda: "m1" in fleet.workers())
            return (monotonic() - answers) / heartbeat
