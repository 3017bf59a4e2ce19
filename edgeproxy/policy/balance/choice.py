"""What the operator chose, service by service: the strategy, session affinity, bounds in front of the workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgeproxy.policy.affinity import KeyReader, prompt_key
from edgeproxy.policy.balance import PREFIX_AFFINITY, STRATEGIES, Strategy
from edgeproxy.policy.balance.prefix_affinity import sticky
from edgeproxy.policy.traffic import Traffic

FOR_ALL = ""
DEFAULT = "round_robin"


@dataclass(frozen=True, slots=True)
class Balancing:
    """`strategies` and `sessions` are by service, "" for all others. `max_in_flight` is for workers that name no
    `slots`. Bounds are a host's; each of its `processes` keeps its part of them."""

    strategies: Mapping[str, str] = field(default_factory=dict)
    sessions: Mapping[str, KeyReader] = field(default_factory=dict)
    max_in_flight: int = 0
    queue: int = 1024
    queue_seconds: float = 10.0
    processes: int = 1

    def strategy(self, service: str) -> Strategy:
        chosen = STRATEGIES[self._name(service)](None)
        return sticky(chosen) if self._session(service) else chosen

    def reader(self, service: str) -> tuple[KeyReader | None, bool]:
        """What finds the key of a request, and whether in its body. A session comes before a prompt."""
        session = self._session(service)
        if session is not None:
            return session, False
        return (prompt_key, True) if self._name(service) == PREFIX_AFFINITY else (None, False)

    def slots(self, named: int) -> int:
        return _part(named or self.max_in_flight, self.processes)

    def traffic(self) -> Traffic:
        return Traffic(_part(self.queue, self.processes), self.queue_seconds)

    def _name(self, service: str) -> str:
        return self.strategies.get(service) or self.strategies.get(FOR_ALL) or DEFAULT

    def _session(self, service: str) -> KeyReader | None:
        return self.sessions.get(service) or self.sessions.get(FOR_ALL)


def _part(whole: int, processes: int) -> int:
    return -(-whole // processes)
