"""Two ways to run `properties.check`: by coverage, with atheris, and plain, from a seed, the same on every machine."""

from __future__ import annotations

import random
import resource
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from tests.fuzz.corpus import MAX_BYTES, seeds
from tests.fuzz.mutate import mutated
from tests.fuzz.properties import check

MAX_KEPT = 4000
"""Accepted inputs that are mutated further; then a new one takes the place of another."""
MAX_GROWTH = 64 * 1024 * 1024
"""Bytes that the process may grow by, whatever it has read."""


class Found(Exception):
    """An input for which a property does not hold; `data` has its kind in front."""

    def __init__(self, data: bytes, cause: BaseException) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}\n{data!r}")
        self.data = data


def plain(seed: int, runs: int | None = None, seconds: float | None = None) -> int:
    """The seeds themselves, then changes of them and of what ours accepted. How many; raises Found."""
    chance, corpus, before = random.Random(seed), seeds(), _peak()
    for data in corpus:
        checked(data)
    until = None if seconds is None else monotonic() + seconds
    done = 0
    while (runs is None or done < runs) and (until is None or monotonic() < until):
        data = mutated(chance.choice(corpus), chance, corpus)
        if checked(data) and data not in corpus[-1:]:
            _keep(corpus, data, chance)
        done += 1
    grown = _peak() - before
    assert grown < MAX_GROWTH, f"{grown} bytes more than before"
    return done


def _keep(corpus: list[bytes], data: bytes, chance: random.Random) -> None:
    if len(corpus) < MAX_KEPT:
        corpus.append(data)
    else:
        corpus[chance.randrange(len(corpus))] = data


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def checked(data: bytes) -> bool:
    try:
        return check(data)
    except Exception as error:
        raise Found(smallest(data), error) from error


def smallest(data: bytes) -> bytes:
    """Less and less of it, as long as it still fails: halves first, single bytes last."""
    size = max(1, len(data) // 2)
    while size:
        at = 1
        while at < len(data):
            shorter = data[:at] + data[at + size :]
            if _fails(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data


def _fails(data: bytes) -> bool:
    try:
        check(data)
    except Exception:
        return True
    return False


def guided(arguments: Sequence[str], corpus: Path) -> None:
    """libFuzzer's loop; does not return. The way must have been imported with its coverage, see `__main__`."""
    import atheris

    known = seeds()
    for number, data in enumerate(known):
        (corpus / f"seed-{number:04}").write_bytes(data)

    def change(data: bytes, limit: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.3:  # its own changes know which comparisons failed
            return bytes(atheris.Mutate(data, limit))
        return mutated(data or known[0], chance, known)[:limit]

    atheris.Setup(["fuzz", *arguments, f"-max_len={MAX_BYTES}", str(corpus)], checked, custom_mutator=change)
    atheris.Fuzz()
