"""How many connections each source holds, over all processes of a machine, in memory that they share.

Each process has a part of its own, in which it alone writes: a word that says whose part it is, and a table of (source,
connections). A source's connections are the sum over all parts. What a process that was killed held is gone with the
word at the head of its part, which the supervisor clears when it hears of the end.
"""

from __future__ import annotations

from edgeproxy.policy.words import WORD, Words

WAYS = 8
"""Places of a bucket; a source beyond them is counted by its own process alone."""
PLACES = 2**13
"""Sources of one process; 16 bytes each, which take memory only once they are used."""
_PLACE = 2  # words: source, connections
_PART = WAYS * _PLACE + PLACES * _PLACE  # words; the head takes a bucket's room


class Presence:
    """`first` is the first word of `parts` parts, two for each process: one that leaves goes on beside its heir."""

    __slots__ = ("_first", "_own", "_parts", "_words")

    def __init__(self, words: Words, first: int, parts: int) -> None:
        self._words = words
        self._first = first
        self._parts = parts
        self._own = -1

    def join(self, pid: int) -> bool:
        """Take a part that is nobody's; False where there is none, and then only others are counted."""
        words = self._words
        for part in range(self._parts):
            head = self._first + part * _PART
            if words.swap(head, 0, -pid):  # not to be counted yet
                for word in range(head + 1, head + _PART):
                    if words.load(word):
                        words.swap(word, words.load(word), 0)
                words.swap(head, -pid, pid)
                self._own = head
                return True
        return False

    def ended(self, pid: int) -> None:
        """That process is no more, nor what it held."""
        words = self._words
        for part in range(self._parts):
            head = self._first + part * _PART
            if not words.swap(head, pid, 0):
                words.swap(head, -pid, 0)

    def hold(self, key: int, count: int) -> None:
        """This process holds `count` connections of the source now."""
        if self._own >= 0:
            self._note(_bucket(self._own, key), key, count)

    def elsewhere(self, key: int) -> int:
        """The connections of the source that other processes hold."""
        others = 0
        for part in range(self._parts):
            head = self._first + part * _PART
            if head != self._own and self._words.load(head) > 0:
                others += self._of(_bucket(head, key), key)
        return others

    def _of(self, at: int, key: int) -> int:
        words = self._words
        for _ in range(WAYS):
            if words.load(at) == key:
                return words.load(at + 1)
            at += _PLACE
        return 0

    def _note(self, at: int, key: int, count: int) -> None:
        words = self._words
        free = -1
        for _ in range(WAYS):
            holder = words.load(at)
            if holder == key:
                free = at
                break
            if holder == 0 and free < 0:
                free = at
            at += _PLACE
        if free < 0:
            return
        words.swap(free + 1, words.load(free + 1), count)
        words.swap(free, words.load(free), key if count else 0)


def _bucket(head: int, key: int) -> int:
    """The first word of the key's bucket in the part that begins at `head`."""
    return head + WAYS * _PLACE + (key & (PLACES // WAYS - 1)) * WAYS * _PLACE


def presence_bytes(processes: int) -> int:
    return parts_of(processes) * _PART * WORD


def parts_of(processes: int) -> int:
    return 2 * processes
