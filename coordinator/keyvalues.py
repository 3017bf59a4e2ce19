"""Small values that machines of the fleet leave for each other: the VPN's bootstrap record, its entry points. Pure.

Bounded in number and size, each with a version, so that two who change one do not undo each other's change.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

MOST: Final = 256
MAX_VALUE: Final = 16 * 1024  # bytes as JSON
KEY: Final = r"^[A-Za-z0-9._:@+,=~-]{1,128}$"
_KEY: Final = re.compile(KEY)


class Full(Exception):
    """As many values as are kept are there."""


class TooLong(Exception):
    """The value is longer than what is kept."""


class Conflict(Exception):
    """The value is not as its writer believes."""


@dataclass(slots=True)
class KeyValues:
    """`revision` rises with every change; each value has the one of its last."""

    revision: int = 0
    _values: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str) -> tuple[int, bytes] | None:
        """Its version, and the value as JSON."""
        return self._values.get(key)

    def put(self, key: str, value: object, *, new: bool = False, version: int | None = None) -> bool:
        """True if there was none. `new`: only then; `version`: only if it still has this one. Conflict, Full,
        TooLong."""
        encoded = bytes(memoryview(orjson.dumps(value)))
        if len(encoded) > MAX_VALUE:
            raise TooLong
        old = self._values.get(key)
        if (new and old is not None) or (version is not None and (old is None or old[0] != version)):
            raise Conflict
        if old is None and len(self._values) >= MOST:
            raise Full
        if old is None or old[1] != encoded:
            self.revision += 1
            self._values[key] = (self.revision, encoded)
        return old is None

    def remove(self, key: str) -> bool:
        if self._values.pop(key, None) is None:
            return False
        self.revision += 1
        return True

    def told(self) -> dict[str, Any]:
        """All of it, to be kept over restarts."""
        return {key: orjson.loads(value) for key, (_, value) in self._values.items()}

    def restore(self, told: Mapping[str, object]) -> None:
        """ValueError for what cannot be ours."""
        for key, value in told.items():
            if not is_key(key):
                raise ValueError(f"{key[:64]!r} is no key")
            try:
                self.put(key, value)
            except (Full, TooLong):
                raise ValueError("more, or longer values than are kept") from None


def is_key(key: str) -> bool:
    return _KEY.fullmatch(key) is not None
