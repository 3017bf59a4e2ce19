"""Who the caller is, by the key that it shows. Keys are kept as SHA-256 of themselves: they are long and random, so
a slow hash would only slow us.

A wrong key costs what a missing one costs: one hash, one look-up and one comparison. The look-up goes by the
digest through a hash with a random seed, so that its time says nothing about the digests that are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from hmac import compare_digest

from edgeproxy.clock import FOREVER
from edgeproxy.policy.limit import Limit

MAX_CREDENTIAL = 4096
"""Bytes of a key or token; longer ones are unknown."""
_NOBODY = bytes(32)


class Caller:
    """One key's owner. `services`: the names that it may use, None for all. `limits` replace the general ones.
    `expires` is in monotonic seconds. `key` counts for it in limit tables."""

    __slots__ = ("digest", "expires", "key", "limits", "name", "services")

    def __init__(
        self,
        name: str,
        digest: bytes = _NOBODY,
        *,
        services: Iterable[str] | None = None,
        limits: Sequence[Limit] | None = None,
        expires: float = FOREVER,
    ) -> None:
        self.name = name
        self.digest = digest
        self.services = frozenset(services) if services is not None else None
        self.limits = list(limits) if limits is not None else None
        self.expires = expires
        self.key = int.from_bytes(sha256(b"caller:" + name.encode()).digest()[:8], "big") >> 2

    def may_use(self, service: str) -> bool:
        return self.services is None or service in self.services


class Keyring:
    """All keys that are in force."""

    __slots__ = ("_by_digest", "_stranger")

    def __init__(self, callers: Iterable[Caller]) -> None:
        self._by_digest = {caller.digest: caller for caller in callers}
        self._stranger = Caller("")

    def find(self, credential: bytes) -> Caller | None:
        """The caller whose key this is. An empty credential is nobody's."""
        digest = sha256(credential[:MAX_CREDENTIAL]).digest()
        caller = self._by_digest.get(digest, self._stranger)
        return caller if compare_digest(caller.digest, digest) else None


def bearer(authorization: bytes) -> bytes:
    """The token of an Authorization value of that scheme (RFC 6750 section 2.1), or b""."""
    if len(authorization) < 8 or authorization[:7].lower() != b"bearer ":
        return b""
    return authorization[7:].strip(b" ")
