"""What a coordinator keeps of one other: when to talk to it, and what each has of the other. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

BATCH: Final = 0.2  # seconds in which changes are collected
IDLE: Final = 1.2  # between exchanges when there is nothing to tell: it is our lease there, and theirs here
HUB_IDLE: Final = 1.8  # of a primary, which leaves the asking to the regions: they have one to ask, it has many
DIGEST_EVERY: Final = 10.0
RETRY_FIRST: Final = 0.25
RETRY_MOST: Final = 1.0  # after a heal the first exchange comes this late at most
TIMEOUT: Final = 4.0  # of one exchange
SUSPECT_AFTER: Final = 3.0
LOST_AFTER: Final = 6.0
RATE: Final = 20.0  # exchanges a second of one peer: four times what one that obeys the rules sends
BURST: Final = 60.0

Role = Literal["primary", "regional"]


@dataclass(frozen=True, slots=True)
class Peer:
    """A coordinator that we may talk to. `url` None: it can only come to us."""

    name: str
    role: Role = "regional"
    url: str | None = None
    region: str = ""


@dataclass(slots=True)
class Link:
    """`heard`: when the peer last spoke (None: never). `boot`, `seq`: how far we hold its changes. `told`: how far it
    holds ours. `number`: the last of its messages, in its life `number_boot`. `asked`: the number of ours that it has
    yet to answer. `root`: what it last told of its own records; `synced`: ours
    was the same. `idle`: between exchanges with nothing to tell."""

    peer: Peer
    heard: float | None = None
    boot: int = 0
    seq: int = 0
    told: int = 0
    number_boot: int = 0
    number: int = 0
    asked: int = 0
    paid_until: float = 0.0
    under_way: float | None = None
    last: float = float("-inf")
    next_digest: float = float("-inf")
    failures: int = 0
    synced: bool = False
    idle: float = IDLE
    root: int = 0
    hashes: dict[str, tuple[int, ...]] | None = None
    theirs: dict[str, tuple[int, ...]] | None = None

    def due(self, seq: int, now: float) -> bool:
        """Whether to talk to it now. An exchange that is under way for too long is given up."""
        if self.under_way is not None and now < self.under_way + TIMEOUT:
            return False
        return now >= self.last + self._pause(seq)

    def _pause(self, seq: int) -> float:
        if self.failures:
            return min(RETRY_FIRST * 2.0 ** min(self.failures - 1, 10), RETRY_MOST)
        return BATCH if seq > self.told or self.hashes or self.theirs else self.idle

    def alive(self, now: float) -> bool:
        return self.heard is not None and now < self.heard + LOST_AFTER

    def allows(self, now: float) -> bool:
        """Whether the peer may send once more: RATE a second, BURST at once (GCRA)."""
        due = max(self.paid_until, now)
        if due - now > BURST / RATE:
            return False
        self.paid_until = due + 1 / RATE
        return True

    def fresh(self, boot: int, number: int) -> bool:
        """Whether a message is no replay. A life that began before the one we know is an old one's message."""
        if boot < self.number_boot or (boot == self.number_boot and number <= self.number):
            return False
        self.number_boot, self.number = boot, number
        return True
