"""Which records changed, in order: what a peer has not seen yet. Pure.

Of a record that changed often only the last time counts, so that the log is never longer than there are records
and a reader cannot fall off its end.
"""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Changes:
    """`boot` names this life of the coordinator: positions of another life mean nothing."""

    boot: int
    seq: int = 0
    _at: dict[str, int] = field(default_factory=dict)

    def note(self, key: str) -> int:
        self.seq += 1
        self._at.pop(key, None)
        self._at[key] = self.seq
        return self.seq

    def forget(self, key: str) -> None:
        self._at.pop(key, None)

    def since(self, base: int, most: int, wanted: Callable[[str], bool]) -> tuple[list[str], int]:
        """(keys that changed after `base`, oldest first, at most so many; how far they reach)."""
        newer = []
        for key in reversed(self._at):
            if self._at[key] <= base:
                break
            newer.append(key)
        keys: list[str] = []
        for key in reversed(newer):
            if len(keys) == most:
                return keys, self._at[keys[-1]]
            if wanted(key):
                keys.append(key)
        return keys, self.seq
