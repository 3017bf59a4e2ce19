"""One worker as coordinators tell each other of it, and which of two tellings is the newer. Pure.

A record has one writer, its worker: `claim` is what it signed when it registered, and names its home. What the home
saw of it since (status, what it runs) is the home's, numbered by the home's start (`boot`) and count (`seq`). So two
records of one worker are always ordered, and merging is taking the greater one: in any order, any number of times.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

MAX_NUMBER: Final = 2**53  # what JSON can carry
MAX_FACTS: Final = 64 * 1024
BUCKETS: Final = 256


class Claim(NamedTuple):
    """A signed registration, as it came: the `Worker-Signature` and the body. Empty for a worker that does not sign:
    its home vouches for it."""

    header: str = ""
    body: bytes = b""


UNSIGNED: Final = Claim()


class Version(NamedTuple):
    """Compared from left to right. The claim and the facts are in it so that no two different records are equal,
    whatever a worker or a home may sign twice."""

    incarnation: int
    home_epoch: int
    home: str
    claim: Claim
    boot: int
    seq: int
    gone: bool
    up: bool
    facts: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """`key` is the worker's public key, or `home/worker_id` where the home vouches. `incarnation` rises with every
    start of the agent, `home_epoch` with every registration in it. `facts` is JSON, written by the home; `up`: the
    home gives it to edges; not up, it is silent, and may be at home elsewhere soon. `gone` is a tombstone."""

    key: str
    home: str
    incarnation: int
    home_epoch: int
    boot: int
    seq: int
    facts: bytes = b"{}"
    claim: Claim = UNSIGNED
    gone: bool = False
    up: bool = True

    @property
    def version(self) -> Version:
        return Version(
            self.incarnation,
            self.home_epoch,
            self.home,
            self.claim,
            self.boot,
            self.seq,
            self.gone,
            self.up,
            self.facts,
        )

    @property
    def life(self) -> tuple[int, int]:
        """Of two lives the greater is the worker's present one."""
        return self.incarnation, self.home_epoch

    def observed(self, boot: int, seq: int, *, gone: bool = False) -> Self:
        """The same life, seen again by its home."""
        return replace(self, boot=boot, seq=seq, gone=gone)


def merge(one: Record, other: Record) -> Record:
    """The newer of two records of one worker."""
    if one.key != other.key:
        raise ValueError("records of two workers cannot be merged")
    return one if one.version >= other.version else other


def vouched_key(home: str, worker_id: str) -> str:
    return f"{home}/{worker_id}"


def bucket(key: str) -> int:
    return hashlib.blake2b(key.encode(), digest_size=1).digest()[0]


def fingerprint(record: Record) -> int:
    """64 bits of all that a record says; those of a set are joined by exclusive or, in any order."""
    numbers = f"{record.incarnation} {record.home_epoch} {record.boot} {record.seq} {record.up}"
    text = f"{record.key} {record.home} {numbers}"
    digest = hashlib.blake2b(text.encode(), digest_size=8)
    digest.update(record.facts)
    digest.update(record.claim.header.encode())
    return int.from_bytes(digest.digest(), "big")
