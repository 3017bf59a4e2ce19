"""A million keys that differ: what a limit table holds, and what a look-up in it costs, before and after."""

from __future__ import annotations

import os
import random
from time import process_time

from bench.guard.report import Line
from edgeproxy.policy.limit import Limit, LimitTable, table_bytes
from edgeproxy.policy.words import Words

PLACES = 2**18
MANY = 1_000_000
MOST_GROWTH = 1.5


def measure() -> list[Line]:
    size = table_bytes(PLACES)
    fd = os.memfd_create("bench")
    os.ftruncate(fd, size)
    table = LimitTable(Words(fd, size), 0, PLACES)
    limit = Limit("bench", 1_000_000, 1.0, 1_000_000)
    keys = [random.getrandbits(62) for _ in range(MANY)]
    empty = _nanoseconds(table, limit, keys[: PLACES // 2])
    _nanoseconds(table, limit, keys)
    full = _nanoseconds(table, limit, keys)
    held = os.fstat(fd).st_blocks * 512
    os.close(fd)
    return [
        Line(
            "memory after 1,000,000 keys (all processes together)",
            f"{held / 2**20:.1f} MiB",
            "8-way",
            held <= size,
            "guard-keys",
        ),
        Line("a look-up of a new key, table half empty", f"{empty:.0f} ns"),
        Line(
            "a look-up after 1,000,000 keys",
            f"{full:.0f} ns",
            f"{full / empty:.2f} x",
            full <= MOST_GROWTH * empty,
            "guard-keys",
        ),
    ]


def _nanoseconds(table: LimitTable, limit: Limit, keys: list[int]) -> float:
    now = 10**15
    began = process_time()
    for key in keys:
        table.take(key, limit, now)
    return (process_time() - began) / len(keys) * 1e9
