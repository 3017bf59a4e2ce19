"""When the owner lends the machine: `Mon-Fri 18:00-08:00, Sat-Sun 00:00-24:00`. Pure; local time is an argument."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
A_DAY: Final = 24 * 60
_SPAN: Final = re.compile(r"(?:([a-z]{3})(?:-([a-z]{3}))? )?(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """On the days (0 is Monday) from minute `start`; an `end` that is not later is on the day after."""

    days: frozenset[int]
    start: int
    end: int

    def holds(self, day: int, minute: int) -> bool:
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        return (day in self.days and minute >= self.start) or ((day - 1) % 7 in self.days and minute < self.end)


@dataclass(frozen=True, slots=True)
class Hours:
    """None given: always."""

    spans: tuple[Span, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Hours":
        """ValueError says which part is wrong."""
        return cls(tuple(_spans(text)))

    def lent(self, at: datetime) -> bool:
        minute = at.hour * 60 + at.minute
        return not self.spans or any(span.holds(at.weekday(), minute) for span in self.spans)


def _spans(text: str) -> Iterator[Span]:
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _SPAN.fullmatch(" ".join(part.lower().split()))
        if match is None:
            raise ValueError(f"{part!r} is not like 'Mon-Fri 18:00-08:00' or '22:00-06:00'")
        first, last, *clock = match.groups()
        start, end = _minute(*clock[:2]), _minute(*clock[2:])
        if start in (A_DAY, end):
            raise ValueError(f"{part!r} is no span of time")
        yield Span(_days(first, last), start, end)


def _minute(hour: str, minute: str) -> int:
    found = int(hour) * 60 + int(minute)
    if int(minute) > 59 or found > A_DAY:
        raise ValueError(f"{hour}:{minute} is no time of day")
    return found


def _days(first: str | None, last: str | None) -> frozenset[int]:
    if first is None:
        return frozenset(range(7))
    for name in (first, last or first):
        if name not in DAYS:
            raise ValueError(f"{name!r} is none of {', '.join(DAYS)}")
    start, end = DAYS.index(first), DAYS.index(last or first)
    return frozenset((start + offset) % 7 for offset in range((end - start) % 7 + 1))
