"""Whom a coordinator trusts and talks to: the directory on its disk, and its own place in it."""

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from coordinator.federation.link import Peer, Role
from edgeproxy.cluster.homes import lastgood
from edgeproxy.cluster.homes.directory import Directory
from edgeproxy.cluster.homes.failover import rendezvous
from edgeproxy.cluster.homes.trust import (
    CERTIFICATE_FOR,
    Bundle,
    Certificate,
    Signed,
    Untrusted,
    open_certificate,
    parse,
    public_name,
    sign_certificate,
)

PEERS: Final = 2  # other regions that a region talks to beside the primary
RENEW_AT: Final = CERTIFICATE_FOR / 2


def alone() -> "Roster":
    """Of a coordinator in no federation."""
    nobody = Directory(Bundle(0, 0.0, 0.0, ()), Signed(b"", {}))
    return Roster(nobody, Path(os.devnull), (), Ed25519PrivateKey.generate())


@dataclass
class Roster:
    """`path` is the directory's file, which is kept up to date; `key` our own; `region` and `url` what we ask to be
    certified with."""

    directory: Directory
    path: Path
    roots: Collection[str]
    key: Ed25519PrivateKey
    region: str = ""
    url: str = ""

    def __post_init__(self) -> None:
        self.name = public_name(self.key)
        mine = self.directory.certificates.get(self.name)
        self.region = self.region or (mine.region if mine else "")
        self.url = self.url or (mine.url if mine else "")

    @property
    def role(self) -> Role:
        return "primary" if self.name in self.directory.bundle.primaries else "regional"

    @property
    def vouching(self) -> bool:
        """Whether workers that do not sign are believed; the operator's policy may say no."""
        return (self.directory.bundle.policy or {}).get("vouching") is not False

    def peers(self) -> list[Peer]:
        """Everybody may come to us; we go to the primaries and to a few others, a primary to everybody."""
        known = [c for name, c in self.directory.certificates.items() if name != self.name]
        regional = sorted(c.name for c in known if c.role == "regional")
        chosen = set(regional if self.role == "primary" else rendezvous(self.name, regional)[:PEERS])
        return [
            Peer(c.name, c.role, c.url if c.role == "primary" or c.name in chosen else None, c.region) for c in known
        ]

    @property
    def federated(self) -> bool:
        return bool(self.directory.bundle.primaries)

    def kept_quota(self) -> dict[str, int]:
        """The last grant, for a restart while the primary is away."""
        try:
            read = orjson.loads(self._quota_file.read_bytes())
            return {str(name): int(amount) for name, amount in read.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def keep_quota(self, quota: dict[str, int]) -> None:
        lastgood.write(self._quota_file, orjson.dumps(quota))

    def kept_granted(self) -> dict[str, dict[str, int]]:
        """What a primary has granted, and may be in use where it hears nothing from."""
        try:
            read = orjson.loads(self._granted_file.read_bytes())
            self._granted = {region: {str(s): int(n) for s, n in grant.items()} for region, grant in read.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            self._granted = {}
        return {region: dict(grant) for region, grant in self._granted.items()}

    def keep_granted(self, granted: dict[str, dict[str, int]]) -> None:
        if granted != self._granted:
            self._granted = {region: dict(grant) for region, grant in granted.items()}
            lastgood.write(self._granted_file, orjson.dumps(granted))

    @property
    def _granted_file(self) -> Path:
        return self.path.with_name("granted.json")

    @property
    def _quota_file(self) -> Path:
        return self.path.with_name("quota.json")

    def primaries(self) -> list[str]:
        return [c.url for c in self.directory.certificates.values() if c.role == "primary" and c.name != self.name]

    def should_renew(self, now: float) -> bool:
        mine = self.directory.certificates.get(self.name)
        if self.role == "primary":
            return False
        return mine is None or now > mine.not_after - RENEW_AT or mine.url != self.url or mine.region != self.region

    def request(self) -> bytes:
        """What we want to be certified with."""
        return orjson.dumps({"url": self.url, "region": self.region})

    def certify(self, name: str, body: bytes, now: float) -> bytes:
        """A primary's answer to a request that `name` signed: only whom an operator has admitted gets another day."""
        known = self.directory.certificates.get(name)
        if self.role != "primary" or known is None:
            raise Untrusted("stranger", "no operator has admitted this coordinator here: coordinator keys certify")
        try:
            asked = orjson.loads(body)
            wanted = replace(known, url=str(asked["url"]), region=str(asked["region"])[:100])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise Untrusted("malformed", "the request is no object with url and region") from None
        fresh = replace(wanted, not_before=now, not_after=now + CERTIFICATE_FOR)
        signed = sign_certificate(fresh, self.key)
        self.directory.add(signed, now)
        self._keep()
        return signed.dump()

    def renew_own(self, now: float) -> None:
        """A primary certifies itself."""
        mine = self.directory.certificates.get(self.name)
        if self.role != "primary" or (mine is not None and now < mine.not_after - RENEW_AT and mine.url == self.url):
            return
        fresh = Certificate(self.name, self.url, self.region, "primary", "operator", now, now + CERTIFICATE_FOR)
        self.directory.add(sign_certificate(fresh, self.key))
        self._keep()

    def add_certificate(self, data: bytes) -> None:
        signed = parse(data)
        if open_certificate(signed, self.directory.bundle, None).name == self.name:
            self.directory.add(signed)
            self._keep()

    def learn(self, data: bytes) -> None:
        """A directory from elsewhere: a newer bundle replaces ours, certificates are added. Untrusted if rolled
        back."""
        other = Directory.open(data, self.roots, at_least=self.directory.bundle.version)
        before = self.directory.dump()
        if other.bundle.version > self.directory.bundle.version:
            self.directory = self.directory.replaced(other.signed, other.bundle)
        for signed in other.documents.values():
            self.directory.add(signed)
        if self.directory.dump() != before:
            self._keep()

    def _keep(self) -> None:
        lastgood.write(self.path, self.directory.dump())
