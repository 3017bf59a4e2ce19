"""Sizes as operators write them."""

from __future__ import annotations

import re

_SIZE = re.compile(r"([0-9]{1,15})\s*(B|KiB|MiB|GiB)?", re.IGNORECASE)
_UNITS = {"b": 1, "kib": 1024, "mib": 1024**2, "gib": 1024**3}


def size(value: object) -> object:
    """`64KiB`, `100MiB`, `1GiB` as bytes; what is no text stays as it is."""
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError("must be a size such as 100MiB")
    return int(match[1]) * _UNITS[(match[2] or "B").lower()]
