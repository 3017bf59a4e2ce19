"""Who is alive: from silence to suspicion, by probes to a verdict. Pure: what is to be done on a wire is
returned as `Probe`s, and comes back as verdicts.

    beats --1.3 intervals without one, or its connection broke--> suspect: probe it, and have a peer probe it
    suspect --a heartbeat--> as before            --a probe is answered--> degraded, asked again
            --1.5 intervals, nobody ever reached it, and its connection broke--> offline
            --both probes fail, and it could be reached before--> offline
            --3 intervals, and no probe says anything--> offline
    offline --a heartbeat--> as before            --10 minutes--> forgotten

In caution (`caution`) silence kills nobody. Suspects stay routable: edges find out for themselves.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from coordinator import liveness
from coordinator.caution import Caution, Death
from coordinator.liveness import Status
from coordinator.record import Now, Suspicion, Verdict, Worker
from coordinator.stalls import Stalls
from coordinator.wheel import Wheel

MAX_PROBES: Final = 20_000  # that wait to be made; of more the oldest are dropped: silence decides then
SOON: Final = 1.0  # seconds until one that caution spared is looked at again


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask whether a worker is there. `why` "reach": whether we can reach it at all; "doubt": it is silent, and
    a peer is to ask it too."""

    worker_id: str
    incarnation: int
    url: str
    why: Literal["reach", "doubt"]


@dataclass(slots=True)
class Watch:
    """`find` gives a worker by id, `change` gives it another status, `forget` removes it. `live()` counts the
    workers that are not offline."""

    find: Callable[[str], Worker | None]
    change: Callable[[Worker, Status, Now, str], None]
    forget: Callable[[Worker, Now], None]
    announce: Callable[[Now, str], None]
    live: Callable[[], int]
    stalls: Stalls = field(default_factory=Stalls)
    wheel: Wheel = field(default_factory=Wheel)
    caution: Caution = field(default_factory=Caution)
    _doubts: deque[Worker] = field(default_factory=lambda: deque(maxlen=MAX_PROBES))
    _reaches: deque[Worker] = field(default_factory=lambda: deque(maxlen=MAX_PROBES))

    def follow(self, worker: Worker, now: Now) -> None:
        """See to it that its silence is noticed, by its interval as it is now."""
        self.wheel.set(worker, now.monotonic + liveness.SUSPECT_AFTER * worker.beat_interval)

    def pass_time(self, now: Now) -> None:
        for worker in self.wheel.ring(now.monotonic):
            self._look_at(worker, now)
        why = self.caution.ends(now.monotonic, self.live())
        if why is not None:
            self.announce(now, f"caution ends: {why}")

    def heard(self, worker: Worker, now: Now) -> None:
        """It lives. Its status is set by the caller."""
        if worker.suspicion is not None:
            worker.suspicion = None
            self.follow(worker, now)

    def reach(self, worker: Worker) -> None:
        """Find out whether we can reach it: only then does a probe that fails prove anything."""
        self._reaches.append(worker)

    def probes(self) -> Iterator[Probe]:
        """What waits to be asked, doubts first; taken from the queue as it is iterated over."""
        queues: tuple[tuple[deque[Worker], Literal["reach", "doubt"]], ...]
        queues = ((self._doubts, "doubt"), (self._reaches, "reach"))
        for queue, why in queues:
            while queue:
                worker = queue.popleft()
                pending = worker.suspicion is not None if why == "doubt" else worker.reached is not True
                if pending and self.find(worker.worker_id) is worker and (url := worker.probe_url()) is not None:
                    yield Probe(worker.worker_id, worker.incarnation, url, why)

    def broken(self, worker: Worker, now: Now) -> None:
        """A connection from it broke, or an edge has lost it: ask at once. Of one that nobody can reach it is a second
        sign, which shortens the time that its silence is borne."""
        if worker.live and worker.suspicion is None:
            worker.suspicion = Suspicion(now.monotonic, now.monotonic, broke=True)
            self._ask(worker, worker.suspicion, now)
            self._judge(worker, worker.suspicion, now)
        elif worker.suspicion is not None and not worker.reached:
            worker.suspicion.broke = True

    def told(self, worker: Worker, direct: Verdict | None, peer: Verdict | None, now: Now) -> None:
        """What a probe brought: our own, or a peer's."""
        if direct == "alive":
            worker.reached = True
        elif direct is not None and worker.reached is None:
            worker.reached = False
        suspicion = worker.suspicion
        if suspicion is None:
            return
        suspicion.direct, suspicion.peer = direct or suspicion.direct, peer or suspicion.peer
        if "alive" in (direct, peer):
            suspicion.answered = now.monotonic
        self._judge(worker, suspicion, now)

    def _look_at(self, worker: Worker, now: Now) -> None:
        age = self.stalls.elapsed(worker.heard, now.monotonic)
        if worker.status == "offline":
            self._forget_or_wait(worker, age, now)
        elif worker.suspicion is not None:
            self._judge(worker, worker.suspicion, now)
        elif (left := liveness.SUSPECT_AFTER * worker.beat_interval - age) > 0:
            self.wheel.set(worker, now.monotonic + left)
        else:
            self._suspect(worker, f"silent for {age:.1f} s", now)

    def _forget_or_wait(self, worker: Worker, age: float, now: Now) -> None:
        left = liveness.removed_after(worker.has_beaten, worker.reports is not None) - age
        if left > 0:
            self.wheel.set(worker, now.monotonic + left)
        else:
            self.forget(worker, now)

    def _suspect(self, worker: Worker, why: str, now: Now) -> None:
        worker.suspicion = Suspicion(now.monotonic, now.monotonic)
        self._ask(worker, worker.suspicion, now)
        self.change(worker, "suspect", now, why)
        self._judge(worker, worker.suspicion, now)

    def _ask(self, worker: Worker, suspicion: Suspicion, now: Now) -> None:
        suspicion.ask(now.monotonic)
        self._doubts.append(worker)

    def _judge(self, worker: Worker, suspicion: Suspicion, now: Now) -> None:
        """Decide, or say when to look again."""
        age = self.stalls.elapsed(worker.heard, now.monotonic)
        patience = liveness.BROKEN_DEAD_AFTER if suspicion.broke and not worker.reached else liveness.DEAD_AFTER
        dead_at = now.monotonic + patience * worker.beat_interval - age
        evidence = suspicion.evidence(now.monotonic, worker.reached is True)
        fresh = suspicion.broke and age < liveness.SUSPECT_AFTER * worker.beat_interval
        if evidence == "strong" or (evidence == "weak" and not fresh):
            self._die(worker, "no probe reaches it", now, strong=evidence == "strong")
        elif fresh:
            self._judge_break(worker, suspicion, age, now)
        elif self._answers(suspicion, now):
            self._judge_silent_answerer(worker, suspicion, age, now)
        elif now.monotonic >= dead_at:
            self._die(worker, f"silent for {age:.1f} s", now, strong=False)
        else:
            self._become(worker, "suspect", "silent", now)
            verdict_by = suspicion.asked + liveness.VERDICT_WITHIN
            self.wheel.set(worker, verdict_by if now.monotonic < verdict_by < dead_at else dead_at)

    def _judge_break(self, worker: Worker, suspicion: Suspicion, age: float, now: Now) -> None:
        """A connection that broke is no more than a reason to ask: without bad news it is nothing. Of one that cannot
        be asked it is remembered until it is heard again."""
        patience_over = now.monotonic >= suspicion.asked + liveness.VERDICT_WITHIN
        if "alive" in (suspicion.direct, suspicion.peer) or (patience_over and worker.reached):
            worker.suspicion = None
            self.follow(worker, now)
        elif not worker.reached:
            self.wheel.set(worker, now.monotonic + liveness.SUSPECT_AFTER * worker.beat_interval - age)
        else:
            self.wheel.set(worker, suspicion.asked + liveness.VERDICT_WITHIN)

    def _answers(self, suspicion: Suspicion, now: Now) -> bool:
        """Whether it is known to be alive from this round of probes, or from the last until this one ends."""
        if "alive" in (suspicion.direct, suspicion.peer):
            return True
        pending = now.monotonic < suspicion.asked + liveness.VERDICT_WITHIN
        return pending and suspicion.answered is not None

    def _judge_silent_answerer(self, worker: Worker, suspicion: Suspicion, age: float, now: Now) -> None:
        if age >= liveness.ANSWERS_FOR:
            self._die(worker, f"answers probes, but sent no heartbeat for {age:.0f} s", now, strong=True)
            return
        self._become(worker, "degraded", "answers probes, but sends no heartbeats", now)
        again = suspicion.asked + liveness.PROBE_AGAIN
        if now.monotonic >= again:
            self._ask(worker, suspicion, now)
            again = suspicion.asked + liveness.VERDICT_WITHIN
        self.wheel.set(worker, again)

    def _become(self, worker: Worker, status: Status, why: str, now: Now) -> None:
        if worker.status not in (status, "draining"):
            self.change(worker, status, now, why)

    def _die(self, worker: Worker, why: str, now: Now, *, strong: bool) -> None:
        if not strong and self._spared(worker, now):
            return
        worker.suspicion = None
        self.change(worker, "offline", now, why)
        self._forget_or_wait(worker, self.stalls.elapsed(worker.heard, now.monotonic), now)

    def _spared(self, worker: Worker, now: Now) -> bool:
        """Whether caution keeps one that is silent; it may begin with this one."""
        window = liveness.DEAD_AFTER * worker.beat_interval
        if self.caution.begins(now.monotonic, self.live(), window):
            self.announce(now, "caution begins: many are silent at once")
            for death in self.caution.take_back():
                self._take_back(death, now)
        if not self.caution.on:
            self.caution.died(Death(now.monotonic, worker.worker_id, worker.incarnation))
            return False
        suspicion = worker.suspicion
        if suspicion is not None and now.monotonic >= suspicion.asked + liveness.PROBE_AGAIN:
            self._ask(worker, suspicion, now)
        self._become(worker, "suspect", "silent, like many", now)
        self.wheel.set(worker, now.monotonic + SOON)
        return True

    def _take_back(self, death: Death, now: Now) -> None:
        worker = self.find(death.worker_id)
        if worker is not None and worker.incarnation == death.incarnation and not worker.live:
            worker.suspicion = Suspicion(now.monotonic, now.monotonic)
            self.change(worker, "suspect", now, "silent, like many")
            self.wheel.set(worker, now.monotonic + SOON)
