"""A coordinator among coordinators. Pure: messages in, messages out, seconds are an argument.

    node.publish(record, now)        one of our own workers changed
    for peer, message in node.poll(now): ...            send it; then
        node.answered(peer, answer, now)  or  node.failed(peer, now)
    answer = node.receive(message, now)                 what a peer sent us
    node.advance(now)                                   let time pass

A regional coordinator tells what is at home with it; the primary tells everything on. Heartbeats are never told.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from coordinator.federation.changes import Changes
from coordinator.federation.homes import Homes, Standing
from coordinator.federation.link import BATCH, DIGEST_EVERY, HUB_IDLE, IDLE, SUSPECT_AFTER, Link, Peer, Role
from coordinator.federation.messages import MAX_PAGE, Exchange, HomeState, Repair
from coordinator.federation.record import BUCKETS, Record
from coordinator.federation.view import View, ViewFull


class Refused(Exception):
    """A message that is not taken: of a stranger, to somebody else, heard before, too many. `boot`: of the sender's
    life that we know, if the message is of an older one."""

    def __init__(self, reason: str, boot: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.boot = reason, boot


def accept_all(record: Record) -> bool:
    return True


@dataclass(slots=True)
class Node:
    """`genuine` checks a record's claim. `on_taken(record)`: one of our workers is at home elsewhere now. `on_change`:
    any record that came from outside. `boot` rises with every start."""

    name: str
    boot: int
    role: Role = "regional"
    genuine: Callable[[Record], bool] = accept_all
    on_taken: Callable[[Record], None] = lambda record: None
    on_change: Callable[[Record], None] = lambda record: None
    on_quota: Callable[[str, Mapping[str, int]], None] = lambda region, quota: None
    settled: bool = True
    accept_rate: float = 2000.0
    view: View = field(default_factory=View)
    quotas: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    quota: Mapping[str, int] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    homes: Homes = field(default_factory=Homes)
    counts: Counter[str] = field(default_factory=Counter)
    changes: Changes = field(init=False)
    _number: int = 0

    def __post_init__(self) -> None:
        self.changes = Changes(self.boot)

    # who there is

    def know(self, peers: Iterable[Peer]) -> None:
        """The coordinators of the bundle that is in force, and no others."""
        known = {peer.name: peer for peer in peers if peer.name != self.name}
        for name in [name for name in self.links if name not in known]:
            del self.links[name]
        for name, peer in known.items():
            if name in self.links:
                self.links[name].peer = peer
            else:
                self.links[name] = Link(peer, idle=HUB_IDLE if self.role == "primary" else IDLE)

    def standing(self, home: str, now: float) -> Standing:
        """Of a coordinator, as far as we can know."""
        if home == self.name:
            return "present"
        link = self.links.get(self.homes.through(home) or "")
        hears_from = link is not None and link.heard is not None and now < link.heard + SUSPECT_AFTER
        return self.homes.standing(home, hears_from, now)

    def routable(self, now: float) -> list[Record]:
        """Who may be routed to: whom the home lists; of a lost home too, the health check decides."""
        return [record for record in self.view.records.values() if record.up and not record.gone]

    # our own workers

    def publish(self, record: Record, now: float) -> bool:
        """Tell of one of our own workers; False if it is at home elsewhere by now."""
        if self.view.put(record, now) is None:
            return False
        self.changes.note(record.key)
        return True

    def settle(self, now: float) -> None:
        """Whoever was at home here before we started has had the time to come back: of the others we were told by
        those who remembered them, and now we say that they are gone."""
        self.settled = True
        for record in [record for record in self.view.of_home(self.name) if record.boot < self.boot]:
            self.publish(record.observed(self.boot, self.observation(), gone=True), now)

    def observation(self) -> int:
        """The number for the next record of ours."""
        return self.changes.seq + 1

    # talking

    def poll(self, now: float) -> list[tuple[Peer, Exchange]]:
        """What is to be sent now."""
        out = []
        for link in self.links.values():
            if link.peer.url is not None and link.due(self.changes.seq, now):
                link.under_way = link.last = now
                message = self._message(link, now)
                link.asked = message.number
                out.append((link.peer, message))
        return out

    def receive(self, message: Exchange, now: float) -> Exchange:
        """A peer's exchange; our answer."""
        link = self._link_of(message)
        if not link.allows(now):
            self._refuse("throttled")
        if message.boot < link.number_boot:
            self._refuse("outlived", link.number_boot)
        if message.have[0] != self.boot:
            return self._hello(link, message)  # written before we started: it may be anybody's recording
        if not link.fresh(message.boot, message.number):
            self._refuse("replayed")
        self._take(link, message, now)
        link.last = now
        return self._message(link, now, answers=message.number)

    def answered(self, peer: str, message: Exchange, now: float) -> None:
        link = self._link_of(message)
        if message.sender != peer or message.answers != link.asked or message.have[0] != self.boot:
            self._refuse("foreign")
        if message.boot < link.number_boot:
            self._refuse("replayed")
        link.asked, link.under_way, link.failures = 0, None, 0
        full = len(message.records) >= MAX_PAGE or link.told + MAX_PAGE <= self.changes.seq
        self._take(link, message, now)
        if full and link.told < self.changes.seq:
            link.last = now - BATCH  # the next page at once

    def failed(self, peer: str, now: float) -> None:
        link = self.links.get(peer)
        if link is not None:
            link.under_way = None
            link.failures += 1
            link.last = now
            link.next_digest = now  # what was lost meanwhile is found at once

    def advance(self, now: float) -> None:
        """Homes get lost, orphans that found no other home are given up, tombstones forgotten."""
        self.view.forget_tombstones(now)
        for home in list(self.view.digests):
            if home != self.name:
                self._age(home, now)

    def _age(self, home: str, now: float) -> None:
        if self.homes.given_up(home, self.standing(home, now), now):
            self.counts["orphans_given_up"] += self._forget_home(home)

    def _forget_home(self, home: str) -> int:
        keys = [record.key for record in self.view.of_home(home)]
        for key in keys:
            self.view.drop(key)
            self.changes.forget(key)
        if home in self.links:
            self.links[home].seq = 0  # should it come back, it tells everything again
        return len(keys)

    def outlived(self, boot: int, now: float) -> None:
        """A peer knows a later life of ours: our clock went back. Begin a life after that one."""
        if boot < self.boot:
            return
        self.changes.boot = boot + 1
        before, self.boot = self.boot, boot + 1
        for record in [record for record in self.view.of_home(self.name) if record.boot == before]:
            self.publish(record.observed(self.boot, self.observation()), now)

    def _hello(self, link: Link, message: Exchange) -> Exchange:
        self._number += 1
        return Exchange(
            self.name, link.peer.name, self.boot, self._number, 0, 0, (message.boot, 0), answers=message.number
        )

    def _message(self, link: Link, now: float, answers: int = 0) -> Exchange:
        self._number += 1
        keys, seq = self.changes.since(link.told, MAX_PAGE, lambda key: self._tells(link, self.view.records.get(key)))
        theirs, link.theirs = link.theirs, None
        hashes, link.hashes = link.hashes, None
        roots: dict[str, int] = {}
        if self.settled and now >= link.next_digest:
            link.next_digest = now + DIGEST_EVERY
            roots = {home: self.view.root(home) for home in self._scope(link, now)}
        return Exchange(
            sender=self.name,
            to=link.peer.name,
            boot=self.boot,
            number=self._number,
            base=link.told,
            seq=seq,
            have=(link.boot, link.seq),
            records=tuple(self.view.records[key] for key in keys),
            roots=roots,
            hashes=hashes or {},
            repairs=self._repairs(link, theirs or {}),
            homes=self._told_homes(now),
            quotas=self._quotas_for(link),
            settled=self.settled,
            answers=answers,
        )

    def _take(self, link: Link, message: Exchange, now: float) -> None:
        link.heard = now
        self.homes.hear(message.sender, now)
        for home, state in message.homes.items():
            if home != self.name and (home == message.sender or link.peer.role == "primary"):
                self.homes.hear(home, now - state.age, None if home == message.sender else message.sender, state)
        for record in message.records:
            self._admit(link, record, now)
        self._follow(link, message)
        for repair in message.repairs:
            self._repair(link, repair, now)
        if message.repairs and not link.synced and self.view.root(link.peer.name) == link.root:
            self._synced(link)
        if message.hashes:
            link.theirs = {h: hashes for h, hashes in message.hashes.items() if h in self._scope(link, now)}
        self._compare(link, message.roots)
        if link.peer.role == "primary" and message.quotas:
            self.quota = message.quotas
        elif self.role == "primary" and message.quotas:
            self.on_quota(message.sender, message.quotas)

    def _quotas_for(self, link: Link) -> Mapping[str, int]:
        """A primary grants; a region says to the primary by which grant it goes."""
        if self.role == "primary":
            return self.quotas.get(link.peer.name, {})
        return self.quota if link.peer.role == "primary" else {}

    def _compare(self, link: Link, roots: Mapping[str, int]) -> None:
        """Ask for what differs, by showing our hashes."""
        told = {home: root for home, root in roots.items() if self._believes(link, home)}
        wrong = [home for home, root in told.items() if self.view.root(home) != root]
        if link.peer.name in told:
            link.root = told[link.peer.name]
            if link.peer.name in wrong:
                link.synced = False
            elif not link.synced:
                self._synced(link)
        if wrong:
            self.counts["digest_mismatches"] += 1
            link.hashes = {home: tuple(self.view.hashes(home)) for home in wrong}

    def _synced(self, link: Link) -> None:
        """We hold all that is at home there. What we lost meanwhile is in no delta: others look again at once."""
        link.synced = True
        for other in self.links.values():
            other.next_digest = float("-inf")

    def _follow(self, link: Link, message: Exchange) -> None:
        """Where each is in the other's changes. Positions of another life are worth nothing."""
        if message.boot != link.boot:
            link.synced = False
            for record in self.view.of_home(link.peer.name):  # it may not remember, and others have given them up
                self.changes.note(record.key)
            if message.base == 0:
                link.boot, link.seq = message.boot, message.seq
            else:
                link.boot, link.seq = message.boot, 0
        elif message.base <= link.seq:
            link.seq = max(link.seq, message.seq)
        boot, seq = message.have
        link.told = min(seq, self.changes.seq) if boot == self.boot else 0

    def _admit(self, link: Link, record: Record, now: float) -> bool:
        """A record from a peer, which may speak for some homes only."""
        if not self._believes(link, record.home):
            self.counts["refused_foreign"] += 1
            return False
        return self.admit(record, now)

    def forget(self, key: str) -> None:
        """Nobody at our site has it any more."""
        self.view.drop(key)
        self.changes.forget(key)

    def admit(self, record: Record, now: float) -> bool:
        """A record from outside: whether it says anything new, and is the worker's own."""
        old = self.view.records.get(record.key)
        if old is not None and old.version >= record.version:
            return False
        if not self.genuine(record):
            self.counts["refused_forged"] += 1
            return False
        try:
            self.view.put(record, now)
        except ViewFull:
            self.counts["refused_full"] += 1
            return False
        self.counts["taken"] += 1
        taken = old is not None and old.home == self.name and record.home != self.name
        if self.role == "primary" or taken or record.home == self.name:  # the last: we were reminded of it
            self.changes.note(record.key)
        if old is not None and taken:
            self.on_taken(old)
        self.on_change(record)
        return True

    def _repair(self, link: Link, repair: Repair, now: float) -> None:
        """All that the sender has in a bucket. A home's own word is the whole truth on what is at home there."""
        if not self._believes(link, repair.home):
            self.counts["refused_foreign"] += 1
            return
        named = {record.key for record in repair.records if record.home == repair.home}
        for record in repair.records:
            if record.home == repair.home and self._admit(link, record, now):
                self.counts["repaired"] += 1
        heard_directly = repair.home in self.links and self.links[repair.home].alive(now)
        if link.peer.name == repair.home or not heard_directly:
            for stale in self.view.in_buckets(repair.home, frozenset({repair.bucket}))[repair.bucket]:
                if stale.key not in named:
                    self.view.drop(stale.key)
                    self.changes.forget(stale.key)
                    self.counts["repaired"] += 1

    def _repairs(self, link: Link, theirs: Mapping[str, tuple[int, ...]]) -> tuple[Repair, ...]:
        """The buckets that differ, as many as a message holds; the next digest finds the rest."""
        repairs: list[Repair] = []
        room = MAX_PAGE
        for home, hashes in theirs.items():
            mine = self.view.hashes(home)
            wanted = frozenset(index for index in range(BUCKETS) if mine[index] != hashes[index])
            for index, records in self.view.in_buckets(home, wanted).items():
                if room <= 0:
                    link.next_digest = float("-inf")
                    return tuple(repairs)
                repairs.append(Repair(home, index, tuple(records)))
                room -= max(1, len(records))
        return tuple(repairs)

    def _scope(self, link: Link, now: float) -> list[str]:
        """The homes whose records we know to be complete, and tell this peer."""
        if self.role != "primary":
            return [self.name]
        whole = (name for name, other in self.links.items() if other.synced and other.alive(now))
        return [self.name, *(name for name in whole if name != link.peer.name)]

    def _tells(self, link: Link, record: Record | None) -> bool:
        if record is None:
            return False
        if record.home == link.peer.name:
            return record.boot < link.boot  # it started anew and may not remember
        return record.home == self.name or self.role == "primary"

    def _believes(self, link: Link, home: str) -> bool:
        """Of its own workers anybody; of others' the primary alone; of ours nobody, unless we have just started."""
        if home == self.name:
            return not self.settled
        return home == link.peer.name or link.peer.role == "primary"

    def _told_homes(self, now: float) -> dict[str, HomeState]:
        digest = self.view.digests.get(self.name)
        told = {self.name: HomeState(0.0, digest.count if digest else 0, self.accept_rate)}
        if self.role == "primary":
            told |= self.homes.heard_directly(now)
        return told

    def _link_of(self, message: Exchange) -> Link:
        if message.to != self.name:
            self._refuse("misdirected")
        link = self.links.get(message.sender)
        if link is None:
            self._refuse("stranger")
        return link

    def _refuse(self, reason: str, boot: int = 0) -> NoReturn:
        self.counts[f"refused_{reason}"] += 1
        raise Refused(reason, boot)
