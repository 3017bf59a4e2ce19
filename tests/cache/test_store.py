"""What is kept, and what has to go."""

from __future__ import annotations

from typing import Any

from edgeproxy.cache.store import ENTRY_OVERHEAD, MAX_VARIANTS, Entry, Store
from edgeproxy.policy.freshness import selected
from edgeproxy.telemetry.counters import Counters


def store(size: int = 100_000) -> Store:
    return Store(size, 10_000, Counters())


def entry(key: bytes, body: bytes = b"", lines: bytes = b"", vary: tuple[bytes, ...] = (), **said: Any) -> Entry:
    usual: dict[str, Any] = {"cors": b"", "born": 0.0, "lifetime": 60, "etag": b"", "last_modified": b""}
    return Entry(key, 200, b"", body, vary=vary, selected=selected(lines, vary), **usual | said)


def test_the_least_recently_used_goes() -> None:
    kept = store(4 * (ENTRY_OVERHEAD + 101))
    for name in (b"a", b"b", b"c", b"d"):
        kept.put(entry(name, b"x" * 100))
    assert kept.find(b"a", b"") is not None
    kept.put(entry(b"e", b"x" * 100))
    assert kept.find(b"b", b"") is None
    assert all(kept.find(name, b"") for name in (b"a", b"c", b"d", b"e"))
    assert kept.counters.cache_bytes == 4 * (ENTRY_OVERHEAD + 101)


def test_a_new_answer_takes_the_place_of_the_old() -> None:
    kept = store()
    kept.put(entry(b"a", b"old"))
    kept.put(entry(b"a", b"new"))
    found = kept.find(b"a", b"")
    assert found is not None
    assert found.body == b"new"
    assert len(kept) == 1
    assert kept.counters.cache_bytes == found.size


def test_answers_that_differ_by_what_they_vary_on() -> None:
    kept = store()
    for language in (b"de", b"en"):
        kept.put(entry(b"a", language, b"Accept-Language: " + language + b"\r\n", (b"accept-language",)))
    found = kept.find(b"a", b"Accept-Language: de\r\n")
    assert found is not None
    assert found.body == b"de"
    assert kept.find(b"a", b"Accept-Language: fr\r\n") is None
    assert kept.find(b"a", b"") is None


def test_variants_are_bounded() -> None:
    kept = store()
    for number in range(MAX_VARIANTS + 3):
        kept.put(entry(b"a", b"", b"X: %d\r\n" % number, (b"x",)))
    assert len(kept) == MAX_VARIANTS
    assert kept.find(b"a", b"X: 2\r\n") is None
    assert kept.find(b"a", b"X: 3\r\n") is not None


def test_forgetting() -> None:
    kept = store()
    kept.put(entry(b"a", b"1"))
    kept.put(entry(b"b", b"1"))
    kept.remove(b"a")
    kept.remove(b"never there")
    assert kept.find(b"a", b"") is None
    assert kept.find(b"b", b"") is not None
    kept.clear()
    assert kept.counters.cache_bytes == 0
    assert len(kept) == 0


def test_what_is_larger_than_the_store_is_not_kept() -> None:
    kept = store(1000)
    kept.put(entry(b"a", b"x" * 2000))
    assert len(kept) == 0
