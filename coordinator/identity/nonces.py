"""Nonces: each is ours, young, and good once. Pure.

A nonce is its own record (expiry, chance, and a MAC by a secret that lives as long as we do), so that handing one out
costs no memory: who asks for a million gets them. Only used ones are remembered, until they would have expired anyway.
"""

import hmac
import secrets
from typing import Final

LIFETIME: Final = 60.0  # seconds from question to registration: a slow uplink, a busy machine
MOST_USED: Final = 400_000  # 3,000 registrations a second for two lifetimes; 40 MB at worst
_STAMP, _CHANCE, _MAC = 8, 8, 16


class NoncesExhausted(Exception):
    """More registrations in a lifetime than can be remembered: none is accepted until some have expired."""


class Nonces:
    """`issue` and `take`, at a monotonic time in seconds."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._used: set[bytes] = set()
        self._used_before: set[bytes] = set()
        self._turned = float("-inf")

    def issue(self, now: float) -> bytes:
        head = round((now + LIFETIME) * 1000).to_bytes(_STAMP, "big") + secrets.token_bytes(_CHANCE)
        return head + self._mac(head)

    def take(self, nonce: bytes, now: float) -> bool:
        """Whether it is good; it is good no more after that."""
        self._turn(now)
        if not self.is_good(nonce, now):
            return False
        if len(self._used) + len(self._used_before) >= MOST_USED:
            raise NoncesExhausted
        self._used.add(nonce)
        return True

    def is_good(self, nonce: bytes, now: float) -> bool:
        head = nonce[: _STAMP + _CHANCE]
        if not hmac.compare_digest(nonce[_STAMP + _CHANCE :], self._mac(head)):
            return False
        if int.from_bytes(head[:_STAMP], "big") < now * 1000:
            return False
        return nonce not in self._used and nonce not in self._used_before

    def _turn(self, now: float) -> None:
        """Two generations: what was used more than a lifetime ago has expired."""
        if now - self._turned >= LIFETIME:
            self._used_before = self._used if now - self._turned < 2 * LIFETIME else set()
            self._used = set()
            self._turned = now

    def _mac(self, head: bytes) -> bytes:
        return hmac.digest(self._secret, head, "sha256")[:_MAC]
