"""The owner's hours, on every border."""

from datetime import datetime

import pytest

from coordinator.agent.hours import Hours


def at(day: int, clock: str) -> datetime:
    """Day 1 is a Monday."""
    hour, minute = clock.split(":")
    return datetime(2024, 1, day, int(hour), int(minute))


@pytest.mark.parametrize(
    ("text", "day", "clock", "lent"),
    [
        ("", 1, "12:00", True),
        ("22:00-06:00", 1, "21:59", False),
        ("22:00-06:00", 1, "22:00", True),
        ("22:00-06:00", 2, "05:59", True),
        ("22:00-06:00", 2, "06:00", False),
        ("Mon-Fri 18:00-08:00", 6, "07:59", True),  # Saturday morning is Friday's night
        ("Mon-Fri 18:00-08:00", 6, "18:00", False),
        ("Mon-Fri 18:00-08:00", 1, "07:59", False),  # Sunday is not lent
        ("Sat-Sun 00:00-24:00", 7, "23:59", True),
        ("Sat-Sun 00:00-24:00", 8, "00:00", False),
        ("Sun-Mon 10:00-11:00", 8, "10:30", True),
        ("wed 9:00-10:00,  thu  9:00-10:00", 4, "09:30", True),
    ],
)
def test_lent(text: str, day: int, clock: str, lent: bool) -> None:
    assert Hours.parse(text).lent(at(day, clock)) is lent


@pytest.mark.parametrize(
    "text", ["always", "25:00-26:00", "Mon-Fry 1:00-2:00", "10:00-10:00", "24:00-1:00", "1:60-2:00"]
)
def test_nonsense_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not like|is no|is none"):
        Hours.parse(text)
