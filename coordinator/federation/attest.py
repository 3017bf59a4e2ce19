"""Whether a record's claim is its worker's own: signed by it, for this home, in this life. Pure."""

from typing import Final
from urllib.parse import urlsplit

import orjson
from pydantic import ValidationError

from coordinator.federation.bridge import Life
from coordinator.federation.foreign import Foreign
from coordinator.federation.record import Claim, Record
from coordinator.federation.view import View
from edgeproxy.cluster import proof
from edgeproxy.cluster.homes.trust import verify
from edgeproxy.cluster.messages import Registration
from edgeproxy.cluster.proof import SignedBy, decode, encode

MAX_BODY: Final = 32 * 1024


def life_of(home: str, header: str, body: bytes, registration: Registration) -> Life | None:
    """Of a registration that was checked at the gate; None for one that tells no life, or is too long to be told."""
    if registration.life is None or len(body) > MAX_BODY:
        return None
    key = encode(SignedBy.parse(header).key)
    return Life(key, registration.life.incarnation, registration.life.home_epoch, Claim(header, body))


def genuine(record: Record, view: View, vouching: bool = True) -> bool:
    """`vouching`: workers that do not sign are believed to be where their home says."""
    if not _is_told_right(record):
        return False
    if record.key.startswith(record.home + "/"):
        return vouching and record.claim == Claim()
    known = view.records.get(record.key)
    if known is not None and (known.claim, known.home, known.life) == (record.claim, record.home, record.life):
        return True  # it was verified when it came first
    return _is_signed(record)


def _is_signed(record: Record) -> bool:
    try:
        signed = SignedBy.parse(record.claim.header)
        home = decode(record.home, proof.KEY)
        registration = Registration.model_validate(orjson.loads(record.claim.body))
    except (ValueError, ValidationError):
        return False
    life = registration.life
    if life is None or (life.incarnation, life.home_epoch) != record.life or encode(signed.key) != record.key:
        return False
    said = proof.registration_bytes(home, signed.nonce, signed.exchange, record.claim.body)
    return verify(record.key, encode(signed.signature), said)


def _is_told_right(record: Record) -> bool:
    """What the home says must be a worker's record; and of a worker that signed where it is reached, a home cannot
    send its users elsewhere."""
    try:
        told = Foreign.model_validate(orjson.loads(record.facts))
    except (ValueError, ValidationError):
        return False
    if not record.claim.body:
        return True
    try:
        said = Registration.model_validate(orjson.loads(record.claim.body))
    except (ValueError, ValidationError):
        return False
    signed = {_host(url) for url in (said.tunnel_url, *(r.service_url for r in said.services or ())) if url}
    urls = (told.tunnel_url, *(report.service_url for report in told.services or ()))
    return not signed or all(_host(url) in signed for url in urls if url)


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()
