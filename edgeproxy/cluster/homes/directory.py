"""The list of coordinators: the operator's bundle and the certificates of those that there are. Pure.

It lies on every disk, every coordinator tells it, and the emergency store has a copy. A reader believes signatures
only, so it does not matter who hands it over; the higher version of the bundle wins.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import orjson

from edgeproxy.cluster.homes.trust import (
    MAX_DOCUMENT,
    Bundle,
    Certificate,
    Signed,
    Untrusted,
    open_bundle,
    open_certificate,
    parse_object,
)

MAX_COORDINATORS: Final = 256


@dataclass(frozen=True, slots=True)
class Directory:
    """`signed` is what was checked, to be told on; `certificates` by name, expired ones too: as hints."""

    bundle: Bundle
    signed: Signed
    certificates: dict[str, Certificate] = field(default_factory=dict)
    documents: dict[str, Signed] = field(default_factory=dict)

    @classmethod
    def open(cls, data: bytes, roots: Collection[str], at_least: int = 0) -> "Directory":
        """Untrusted if the bundle is. A certificate that does not hold costs itself alone."""
        if len(data) > MAX_DOCUMENT:
            raise Untrusted("malformed", f"a directory is at most {MAX_DOCUMENT} bytes")
        try:
            read = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise Untrusted("malformed", "the directory is not JSON") from None
        if not isinstance(read, dict) or not isinstance(read.get("certificates", []), list):
            raise Untrusted("malformed", "the directory is no object with certificates")
        signed = parse_object(read.get("bundle"))
        directory = cls(open_bundle(signed.dump(), roots, at_least), signed)
        for row in read.get("certificates", [])[:MAX_COORDINATORS]:
            try:
                directory.add(parse_object(row))
            except Untrusted:
                continue
        return directory

    def add(self, signed: Signed, now: float | None = None) -> Certificate:
        """The later of two certificates of one coordinator counts."""
        certificate = open_certificate(signed, self.bundle, now)
        old = self.certificates.get(certificate.name)
        if old is None and len(self.certificates) >= MAX_COORDINATORS:
            raise Untrusted("malformed", f"a directory has at most {MAX_COORDINATORS} coordinators")
        if old is None or certificate.not_after >= old.not_after:
            self.certificates[certificate.name] = certificate
            self.documents[certificate.name] = signed
        return certificate

    def replaced(self, signed: Signed, bundle: Bundle) -> "Directory":
        """With a newer bundle: whom it does not know any more is left out."""
        fresh = Directory(bundle, signed)
        for document in self.documents.values():
            try:
                fresh.add(document)
            except Untrusted:
                continue
        return fresh

    @property
    def urls(self) -> frozenset[str]:
        """Where coordinators are that the operator admitted."""
        return frozenset(certificate.url for certificate in self.certificates.values())

    def dump(self) -> bytes:
        documents = [_object(self.documents[name]) for name in sorted(self.documents)]
        return orjson.dumps({"bundle": _object(self.signed), "certificates": documents})

    @property
    def essence(self) -> str:
        """Of what the emergency store is for: who the coordinators are, not until when that was last said."""
        rows = sorted((c.name, c.url, c.region, c.role) for c in self.certificates.values())
        return hashlib.sha256(orjson.dumps([self.bundle.version, rows])).hexdigest()


def _object(signed: Signed) -> object:
    return orjson.loads(signed.dump())
