"""Answers in memory, bounded in bytes, the least recently used thrown out first. One store a process."""

from __future__ import annotations

from collections import OrderedDict

from edgeproxy.policy.freshness import selected
from edgeproxy.telemetry.counters import Counters

ENTRY_OVERHEAD = 512
"""Bytes that an entry is taken to cost beside what it holds."""
MAX_VARIANTS = 8
"""Answers of one key that differ by `Vary`: beyond it the oldest goes, or one client could fill the store with them."""


class Entry:
    """One stored answer. `fields` are its end-to-end field lines without Age, `cors` those by which
    the worker lets pages of other sites read it; `born` is when it was made, on the
    clock of the process, by what the answer said of its age; `shown` is how its head begins at `shown_age`."""

    __slots__ = (
        "body",
        "born",
        "cors",
        "etag",
        "fields",
        "key",
        "last_modified",
        "lifetime",
        "selected",
        "shown",
        "shown_age",
        "size",
        "status",
        "vary",
    )

    def __init__(
        self,
        key: bytes,
        status: int,
        fields: bytes,
        body: bytes,
        *,
        cors: bytes,
        born: float,
        lifetime: int,
        vary: tuple[bytes, ...],
        selected: tuple[bytes, ...],
        etag: bytes,
        last_modified: bytes,
    ) -> None:
        self.key = key
        self.status = status
        self.fields = fields
        self.body = body
        self.cors = cors
        self.born = born
        self.lifetime = lifetime
        self.vary = vary
        self.selected = selected
        self.etag = etag
        self.last_modified = last_modified
        self.shown = b""
        self.shown_age = -1
        self.size = len(key) + len(fields) + len(body) + sum(map(len, selected)) + ENTRY_OVERHEAD

    def age(self, now: float) -> int:
        age = int(now - self.born)
        return age if age > 0 else 0


class Store:
    """`max_bytes` for all, `max_entry` for the body of one; `counters` are told of hits, misses and bytes held."""

    def __init__(self, max_bytes: int, max_entry: int, counters: Counters) -> None:
        self.counters = counters
        self.max_bytes = max_bytes
        self.max_entry = min(max_entry, max_bytes // 4)
        self._variants: OrderedDict[bytes, list[Entry]] = OrderedDict()

    def find(self, key: bytes, lines: bytes) -> Entry | None:
        """The answer to a request with these field lines, fresh or not."""
        variants = self._variants.get(key)
        if variants is None:
            return None
        self._variants.move_to_end(key)
        for entry in variants:
            if entry.selected == selected(lines, entry.vary):
                return entry
        return None

    def put(self, entry: Entry) -> None:
        """Store it, in the place of the one that it replaces."""
        if entry.size > self.max_bytes:
            return
        variants = self._variants.setdefault(entry.key, [])
        for old in [each for each in variants if (each.vary, each.selected) == (entry.vary, entry.selected)]:
            self._forget(variants, old)
        if len(variants) >= MAX_VARIANTS:
            self._forget(variants, variants[0])
        variants.append(entry)
        self.counters.cache_bytes += entry.size
        self._variants.move_to_end(entry.key)
        while self.counters.cache_bytes > self.max_bytes:
            self.remove(next(iter(self._variants)))

    def remove(self, key: bytes) -> None:
        """Every answer of this key (RFC 9111 section 4.4)."""
        for entry in self._variants.pop(key, ()):
            self.counters.cache_bytes -= entry.size

    def clear(self) -> None:
        self._variants.clear()
        self.counters.cache_bytes = 0

    def _forget(self, variants: list[Entry], entry: Entry) -> None:
        variants.remove(entry)
        self.counters.cache_bytes -= entry.size

    def __len__(self) -> int:
        return sum(map(len, self._variants.values()))
