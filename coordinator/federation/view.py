"""All the records that a coordinator knows, its own and those it was told. Pure; seconds are an argument.

Digests are kept up to date record by record: for each home 256 hashes of its records, and their sum.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from coordinator.federation.record import BUCKETS, Record, bucket, fingerprint

TOMBSTONES_FOR: Final = 600.0  # longer than any partition after which a record could come back from the dead
MAX_RECORDS: Final = 2_000_000
MAX_HOMES: Final = 4096


class ViewFull(Exception):
    """No room for another record."""


@dataclass(slots=True)
class Digest:
    """Of one home's records."""

    hashes: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    count: int = 0

    @property
    def root(self) -> int:
        """0 for no records. Not an exclusive or of the hashes alone: two buckets could hide each other."""
        root = self.count
        for index, value in enumerate(self.hashes):
            root = (root * 1_000_003 + (value ^ index)) & 0xFFFF_FFFF_FFFF_FFFF if value else root
        return root

    def toggle(self, record: Record) -> None:
        self.hashes[bucket(record.key)] ^= fingerprint(record)


@dataclass(slots=True)
class View:
    """`records` by key. Read it freely; change it by `put` and `drop` only."""

    max_records: int = MAX_RECORDS
    records: dict[str, Record] = field(default_factory=dict)
    digests: dict[str, Digest] = field(default_factory=dict)
    _tombstones: deque[tuple[float, str]] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self.records)

    def put(self, record: Record, now: float) -> Record | None:
        """Take a record in; None if it says nothing new, else the record that was there, or the new one itself."""
        old = self.records.get(record.key)
        if old is not None and old.version >= record.version:
            return None
        self._check_room(record, old)
        if old is not None:
            self._count(old, -1)
        self.records[record.key] = record
        self._count(record, 1)
        if record.gone:
            self._tombstones.append((now, record.key))
        return old or record

    def drop(self, key: str) -> Record | None:
        record = self.records.pop(key, None)
        if record is not None:
            self._count(record, -1)
        return record

    def forget_tombstones(self, now: float) -> None:
        while self._tombstones and self._tombstones[0][0] + TOMBSTONES_FOR <= now:
            record = self.records.get(self._tombstones.popleft()[1])
            if record is not None and record.gone:
                self.drop(record.key)

    def of_home(self, home: str) -> Iterator[Record]:
        return (record for record in self.records.values() if record.home == home)

    def in_buckets(self, home: str, buckets: frozenset[int]) -> dict[int, list[Record]]:
        """The records of a home in some buckets; an empty list for one without."""
        found: dict[int, list[Record]] = {index: [] for index in sorted(buckets)}
        for record in self.of_home(home):
            if (index := bucket(record.key)) in buckets:
                found[index].append(record)
        return found

    def root(self, home: str) -> int:
        digest = self.digests.get(home)
        return digest.root if digest else 0

    def hashes(self, home: str) -> list[int]:
        digest = self.digests.get(home)
        return list(digest.hashes) if digest else [0] * BUCKETS

    def _check_room(self, record: Record, old: Record | None) -> None:
        if old is None and len(self.records) >= self.max_records:
            raise ViewFull
        if record.home not in self.digests and len(self.digests) >= MAX_HOMES:
            raise ViewFull

    def _count(self, record: Record, by: int) -> None:
        if record.gone:
            return  # each forgets its tombstones in its own time
        digest = self.digests.setdefault(record.home, Digest())
        digest.toggle(record)
        digest.count += by
        if not digest.count:
            del self.digests[record.home]
