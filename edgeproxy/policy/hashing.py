"""64-bit hashes that are the same in every process, and dice that cost nothing."""

from __future__ import annotations

import os
from hashlib import blake2b

MASK = 0xFFFFFFFFFFFFFFFF
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def seed_of(name: bytes) -> int:
    """64 bits of a name; never 0, which stands for none."""
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "little") or 1


def mix(value: int) -> int:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014): every bit of the input moves half of the output."""
    x = value
    x = ((x ^ (x >> 30)) * _FIRST) & MASK
    x = ((x ^ (x >> 27)) * _SECOND) & MASK
    return x ^ (x >> 31)


class Dice:
    """xorshift64 (Marsaglia 2003); a seed makes it repeatable."""

    __slots__ = ("_state",)

    def __init__(self, seed: int | None = None) -> None:
        self._state = (int.from_bytes(os.urandom(8), "little") if seed is None else seed & MASK) or 1

    def roll(self) -> int:
        x = self._state
        x ^= (x << 13) & MASK
        x ^= x >> 7
        x ^= (x << 17) & MASK
        self._state = x
        return x

    def below(self, count: int) -> int:
        """0 to count - 1."""
        return (self.roll() >> 11) % count
