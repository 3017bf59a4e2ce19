"""Rate limits as operators write them: `limits`' notation, with a burst.

100/second                     100 a second, of which up to 100 at once
100/second;burst=200           200 at once
10/minute;burst=2;500/hour     both hold
5 per 10 seconds
"""

from __future__ import annotations

import re
from hashlib import blake2b

from edgeproxy.policy.limit import Limit

OFF = "off"
_BURST = re.compile(r"burst\s*=\s*([0-9]{1,9})", re.IGNORECASE)
_MOST = 1_000_000_000


def parse_limits(text: str, name: str) -> list[Limit]:
    """The limits of a text, none for `off`; ValueError says what is wrong. `name` keeps their counts apart."""
    if text.strip().lower() == OFF:
        return []
    read: list[tuple[int, float, int]] = []
    for part in text.split(";"):
        burst = _BURST.fullmatch(part.strip())
        if burst is None:
            read.append(_rate(part.strip()))
        elif not read or read[-1][2] or int(burst[1]) == 0:
            raise ValueError("a burst is at least 1 and stands behind its rate: 100/second;burst=200")
        else:
            read[-1] = (*read[-1][:2], int(burst[1]))
    return [_limit(f"{name}-{index}" if index else name, *each) for index, each in enumerate(read)]


def _rate(part: str) -> tuple[int, float, int]:
    from limits import parse  # not before it is wanted: it takes longer than all of ours

    try:
        item = parse(part)
    except ValueError:
        raise ValueError(f"{part!r} is not a rate such as 100/second or 10 per minute") from None
    if not 0 < item.amount <= _MOST:
        raise ValueError(f"{part!r} has a number of requests that is not between 1 and {_MOST}")
    return item.amount, float(item.get_expiry()), 0


def _limit(name: str, amount: int, period: float, burst: int) -> Limit:
    salt = int.from_bytes(blake2b(f"limit:{name}".encode(), digest_size=8).digest(), "big") >> 2
    return Limit(name, amount, period, burst, salt)
