"""The ban list that fills itself: who breaks the rules too often is left outside for a while, each time for longer.

It lives in the limit table, which is bounded and shared by the processes of the machine: a meter of violations, the
end of the ban, and the time for which the last ban is remembered.
"""

from __future__ import annotations

from edgeproxy.policy.address import Source
from edgeproxy.policy.limit import NANO, Limit, LimitTable
from edgeproxy.policy.words import Words

FIRST_BAN = 60
LONGEST_BAN = 24 * 3600
_MEMORY = 8
"""A ban is remembered for eight times its length: whoever comes back in that time is banned for twice as long."""

# Salts of the table.
_UNTIL = 0x1B873593CC9E2D51
_REMEMBERED = 0x38B34AE5A1E38B93


class Bans:
    """`meter`: how many violations of one source are borne. `first`: seconds of its first ban. `horizon`: the word that
    holds the end of the last ban of all, so that while there is none a request costs one comparison."""

    __slots__ = ("_first", "_horizon", "_table", "_words", "meter")

    def __init__(self, table: LimitTable, words: Words, horizon: int, meter: Limit, first: float = FIRST_BAN) -> None:
        self._table = table
        self._words = words
        self._horizon = horizon
        self.meter = meter
        self._first = int(first * NANO)

    def hold(self, source: Source, now: int) -> bool:
        """Whether the source is banned; `now` in nanoseconds."""
        if self._words.load(self._horizon) <= now or source.exempt:
            return False
        return self._table.level(source.key, _UNTIL) > now

    def violated(self, source: Source, now: int) -> bool:
        """One violation more; whether the source is banned for it."""
        if source.exempt or not self._table.take(source.key, self.meter, now):
            return False
        until = self._table.level(source.key, _UNTIL)
        if until > now:
            return True
        length = self._first
        remembered = self._table.level(source.key, _REMEMBERED)
        if remembered > now:  # where only the end was forgotten, the length is not known any more
            length = min(LONGEST_BAN * NANO, 2 * (remembered - until) // _MEMORY if until else 2 * length)
        self._table.put(source.key, _UNTIL, now, now + length)
        self._table.put(source.key, _REMEMBERED, now, now + length + _MEMORY * length)
        self._lift_horizon(now + length)
        return True

    def _lift_horizon(self, until: int) -> None:
        for _ in range(64):
            before = self._words.load(self._horizon)
            if before >= until or self._words.swap(self._horizon, before, until):
                return
