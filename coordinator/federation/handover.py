"""We leave: where each of our workers is to go, and when nobody is left. Pure.

A coordinator that leaves says that it takes no registrations any more, by a rate of none: so two that leave at the same
time do not send their workers to each other.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from coordinator.federation.node import Node
from coordinator.registry import Registry
from edgeproxy.cluster.homes.failover import rendezvous

LOOK_EVERY: Final = 0.5  # seconds for which it is good who there is


@dataclass(slots=True)
class Handover:
    """`signed` are the names of our workers that can prove elsewhere who they are: others would be two workers."""

    node: Node
    signed: Collection[str]
    _takers: dict[str, float] = field(default_factory=dict)
    _looked: float = float("-inf")

    def __post_init__(self) -> None:
        self.node.accept_rate = 0.0

    def takers(self, now: float) -> dict[str, float]:
        """The coordinators that are there and stay, with the registrations a second that they take: regions, or where
        there is none the primary."""
        if now >= self._looked + LOOK_EVERY:
            self._looked = now
            present = {
                name: home.accept_rate
                for name, home in self.node.homes.known.items()
                if home.accept_rate > 0 and name in self.node.links and self.node.standing(name, now) == "present"
            }
            regional = {n: rate for n, rate in present.items() if self.node.links[n].peer.role == "regional"}
            self._takers = regional or present
        return self._takers

    def target(self, worker_id: str, now: float) -> str | None:
        """Each worker has an order of its own, so that those who stay share what we leave by what they take."""
        takers = self.takers(now)
        if not takers or worker_id not in self.signed:
            return None
        return rendezvous(worker_id, list(takers), takers)[0]

    def over(self, registry: Registry, now: float) -> bool:
        """Nobody is at home here, or there is nowhere to go."""
        return not self.takers(now) or not any(w.live and not w.unverified for w in registry.workers.values())
