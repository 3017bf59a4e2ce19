"""Rate limits by the generic cell rate algorithm: a token bucket that is one number a key, the time at which it is
full again (its "theoretical arrival time", ITU-T I.371).

The numbers of all keys stand in one table of fixed size that the processes of a machine share. A key has one bucket
of eight places; where all are taken, the one that is full again the soonest is forgotten, so that whoever uses most
is forgotten last, and an attacker who varies keys finds neither more memory nor more work to cause.
"""

from __future__ import annotations

from edgeproxy.policy.words import WORD, Words

WAYS = 8
"""Places of a bucket: 128 bytes, two lines of a processor's cache."""
_PLACE = 2  # words: key, time
_HELD = 1 << 62
_TRIES = 64  # a swap fails only when another process has just succeeded

NANO = 1_000_000_000


class Limit:
    """`amount` requests each `period` seconds on the whole, of which up to `burst` at once.

    `salt` keeps the counts of different limits of one key apart: 63 bits, from the limit's name. `wait` says
    how long a caller who was refused should wait, in seconds.
    """

    __slots__ = ("amount", "burst", "interval", "name", "period", "salt", "tolerance")

    def __init__(self, name: str, amount: int, period: float, burst: int = 0, salt: int = 0) -> None:
        self.name = name
        self.amount = amount
        self.period = period
        self.burst = burst or amount
        self.interval = max(1, round(period * NANO / amount))
        self.tolerance = self.interval * (self.burst - 1)
        self.salt = salt


class LimitTable:
    """`places` keys at most; `first` is the table's first word."""

    __slots__ = ("_first", "_mask", "_words")

    def __init__(self, words: Words, first: int, places: int) -> None:
        buckets = places // WAYS
        if buckets < 1 or buckets & (buckets - 1) or places % WAYS:
            raise ValueError("the places of a limit table are a power of two, at least eight")
        self._words = words
        self._first = first
        self._mask = buckets - 1

    def take(self, subject: int, limit: Limit, now: int, cost: int = 1) -> int:
        """Take `cost` tokens: 0 if they were there, else the nanoseconds until they will be. `now` in nanoseconds."""
        words = self._words
        key = _key(subject, limit.salt)
        at = self._place(key, now)
        asked = limit.interval * cost
        for _ in range(_TRIES):
            if words.load(at) != key:
                at = self._place(key, now)
            full = words.load(at + 1)
            start = full if full > now else now
            wait = start - now - limit.tolerance + asked - limit.interval
            if wait > 0:
                return wait
            if words.swap(at + 1, full, start + asked):
                return 0
        return limit.interval  # never seen; refusing is the safe side

    def level(self, subject: int, salt: int) -> int:
        """The time that stands at a key, in nanoseconds; 0 where there is none."""
        words = self._words
        key = _key(subject, salt)
        at = self._bucket(key)
        for _ in range(WAYS):
            if words.load(at) == key:
                return words.load(at + 1)
            at += _PLACE
        return 0

    def put(self, subject: int, salt: int, now: int, value: int) -> None:
        """Let `value` stand at a key, if it is later than what stands there."""
        words = self._words
        key = _key(subject, salt)
        for _ in range(_TRIES):
            at = self._place(key, now)
            before = words.load(at + 1)
            if before >= value or words.swap(at + 1, before, value):
                return

    def _bucket(self, key: int) -> int:
        return self._first + (key & self._mask) * WAYS * _PLACE

    def _place(self, key: int, now: int) -> int:
        """The key's place, taken from another where it has none."""
        words = self._words
        for _ in range(_TRIES):
            at = victim = self._bucket(key)
            other = words.load(at)
            soonest = words.load(at + 1)
            for _ in range(WAYS):
                holder = words.load(at)
                if holder == key:
                    return at
                full = words.load(at + 1)
                if full < soonest:
                    soonest, victim, other = full, at, holder
                at += _PLACE
            if words.swap(victim, other, key):
                # A process that dies here leaves the newcomer the forgotten one's time: at worst a short wait.
                words.swap(victim + 1, soonest, 0)
                return victim
        return victim


def _key(subject: int, salt: int) -> int:
    """Not 0, which is an empty place."""
    return (subject ^ salt) | _HELD


def table_bytes(places: int) -> int:
    return places * _PLACE * WORD
