"""Between a coordinator's registry and the federation: our workers become records, what moved away leaves us. Pure.

bridge.registered(worker_id, life)     after a registration that was signed
bridge.pump(now)                       tell what changed since the last time; heartbeats change nothing
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from coordinator.events import GONE
from coordinator.federation.node import Node
from coordinator.federation.record import UNSIGNED, Claim, Record, vouched_key
from coordinator.identity.gate import fingerprint
from coordinator.registry import Now, Registry, Worker

MOST_EVENTS: Final = 5_000  # of one pump; the rest follows with the next

Facts = Callable[[Worker, Now], bytes]


class Life(NamedTuple):
    """What a worker signed of itself: its key, which start and which registration of it this is, and the proof."""

    key: str
    incarnation: int
    home_epoch: int
    claim: Claim


@dataclass(slots=True)
class Bridge:
    """`facts` is what others are told of a worker, as JSON. `took`: a worker is at home elsewhere."""

    registry: Registry
    node: Node
    facts: Facts
    lives: dict[str, Life] = field(default_factory=dict)
    _mark: str = ""
    _restored: dict[str, str] = field(default_factory=dict)
    _seen: int = -1
    _taken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.node.on_taken = self._note_taken
        for worker in self.registry.workers.values():
            if worker.unverified and (key := fingerprint(worker.credential)) is not None:
                self._restored[key] = worker.worker_id

    def life_of(self, worker: Worker) -> Life:
        """For a worker that does not sign we vouch: it is another worker at each home."""
        life = self.lives.get(worker.worker_id)
        if life is not None:
            return life
        return Life(vouched_key(self.node.name, worker.worker_id), worker.incarnation, 0, UNSIGNED)

    def outlived(self, life: Life) -> tuple[int, int] | None:
        """The newer (or same) life that somebody knows already, if any: the worker must begin one after it."""
        known = self.node.view.records.get(life.key)
        return None if known is None or (life.incarnation, life.home_epoch) > known.life else known.life

    def registered(self, worker_id: str, life: Life | None) -> None:
        if life is None:
            self.lives.pop(worker_id, None)
        else:
            self.lives[worker_id] = life

    def pump(self, now: Now) -> int:
        """How many records were told."""
        self._let_go(now)
        self._let_restored_go(now)
        events = self.registry.events.since(self._mark) if self._mark else None
        self._mark = self.registry.events.mark
        if events is None:
            names = list(self.registry.workers)
        else:
            names = list(dict.fromkeys(e.worker_id for e in events if e.worker_id is not None and e.kind != "load"))
        told = sum(self._tell(name, now) for name in names)
        self._let_go(now)
        if events:
            self._forget(event.worker_id for event in events if event.kind in GONE)
        return told

    def _tell(self, name: str, now: Now) -> bool:
        worker = self.registry.workers.get(name)
        if worker is not None and worker.unverified and name not in self.lives:
            return False  # from a former life of ours: others remember it by its key, which we learn when it comes back
        life = self.lives.get(name) if worker is None else self.life_of(worker)
        if life is None:
            key = vouched_key(self.node.name, name)
            old = self.node.view.records.get(key)
        else:
            old = self.node.view.records.get(life.key)
        boot, seq = self.node.boot, self.node.observation()
        if worker is None:
            if old is None or old.home != self.node.name or old.gone:
                return False
            return self.node.publish(old.observed(boot, seq, gone=True), now.monotonic)
        assert life is not None
        if old is not None and old.home != self.node.name and old.life > (life.incarnation, life.home_epoch):
            self._taken.append(old.key)  # its registration here came late: it is at home elsewhere by now
            return False
        up, facts = worker.live and not worker.hidden, self.facts(worker, now)
        record = Record(
            life.key, self.node.name, life.incarnation, life.home_epoch, boot, seq, facts, life.claim, up=up
        )
        if old is not None and replace(record, seq=old.seq) == old:
            return False  # load and times of heartbeats are not told: most events say nothing new
        return self.node.publish(record, now.monotonic)

    def _note_taken(self, record: Record) -> None:
        self._taken.append(record.key)

    def _let_go(self, now: Now) -> None:
        """Of those who live elsewhere we are not the home any more, whatever we last heard."""
        if not self._taken:
            return
        keys, self._taken = set(self._taken), []
        for name in [name for name, life in self.lives.items() if life.key in keys]:
            known = self.node.view.records.get(self.lives[name].key)
            if known is not None and known.home != self.node.name:
                self.registry.unregister(name, now)
                del self.lives[name]

    def _let_restored_go(self, now: Now) -> None:
        """Of those whom a state file brought back, some went to another home while we were away."""
        if not self._restored or self._seen == self.node.counts["taken"]:
            return
        self._seen = self.node.counts["taken"]
        for key, name in list(self._restored.items()):
            worker, known = self.registry.workers.get(name), self.node.view.records.get(key)
            if worker is None or not worker.unverified:
                del self._restored[key]
            elif known is not None and known.home != self.node.name and not known.gone:
                self.registry.unregister(name, now)
                del self._restored[key]

    def _forget(self, names: object) -> None:
        for name in set(names):  # type: ignore[call-overload]
            if name not in self.registry.workers:
                self.lives.pop(name, None)
