"""Who may call itself a coordinator. Pure; `now` is seconds of the epoch.

    root key (offline)  signs  Bundle        primary keys, revocations, policy, seeds; its version only rises
    primary key         signs  Certificate   one coordinator: its key, URL, region, role, owner; a day
    coordinator key     signs  what it says

A signed document is JSON: {"payload": base64url, "signatures": {key: signature}}; what is signed is its kind and the
payload's bytes, so that no reader needs a canonical form. Every function raises Untrusted, whose `reason` is one of
REASONS, for whatever does not hold; what it says is one line.
"""

import base64
import binascii
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, NoReturn, cast, get_args

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edgeproxy.cluster.proof import KEY, SIGNATURE, decode, encode
from edgeproxy.cluster.urls import worker_url

Reason = Literal["malformed", "forged", "rolled_back", "expired", "revoked", "stranger"]
REASONS: Final[tuple[str, ...]] = get_args(Reason)
Role = Literal["primary", "regional"]

MAX_DOCUMENT: Final = 1024 * 1024
MAX_SIGNATURES: Final = 8
MAX_ENTRIES: Final = 4096
SKEW: Final = 3900.0  # seconds that a lent machine's clock may be wrong: an hour, and some
BUNDLE_FOR: Final = 7 * 86_400.0
CERTIFICATE_FOR: Final = 86_400.0


class Untrusted(Exception):
    """A document that is not to be believed."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True)
class Bundle:
    """What the operator says. `primaries` are keys, current and next; `seeds` URLs that are asked first of all;
    `policy` is for the coordinators; `readers` is how many share the emergency store's reads."""

    version: int
    issued: float
    not_after: float
    primaries: tuple[str, ...]
    seeds: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()
    readers: int = 100
    policy: Mapping[str, Any] | None = None

    def stale(self, now: float) -> bool:
        """Somebody may be keeping a newer one from us: it still holds, and is reported."""
        return now > self.not_after + SKEW


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a primary says of a coordinator, `name` being its public key."""

    name: str
    url: str
    region: str
    role: Role
    owner: str
    not_before: float
    not_after: float

    def holds(self, now: float) -> bool:
        return self.not_before - SKEW <= now <= self.not_after + SKEW


@dataclass(frozen=True, slots=True)
class Signed:
    """A document as it travels, and what was found in it."""

    payload: bytes
    signatures: Mapping[str, str]

    def dump(self) -> bytes:
        return orjson.dumps({"payload": _encode(self.payload), "signatures": dict(self.signatures)})


def sign(kind: str, content: Bundle | Certificate, *keys: Ed25519PrivateKey) -> Signed:
    """By all of the keys: while a key is replaced, by the old one and the new one."""
    payload = orjson.dumps(asdict(content))
    return Signed(payload, {public_name(key): encode(key.sign(_said(kind, payload))) for key in keys})


def sign_bundle(bundle: Bundle, *roots: Ed25519PrivateKey) -> Signed:
    return sign("bundle", bundle, *roots)


def sign_certificate(certificate: Certificate, primary: Ed25519PrivateKey) -> Signed:
    return sign("certificate", certificate, primary)


def open_bundle(data: bytes, roots: Collection[str], at_least: int = 0) -> Bundle:
    """The bundle, signed by one of the roots and not older than `at_least`. Whether it is stale is for the caller."""
    signed = parse(data)
    _check(signed, "bundle", roots)
    bundle = _bundle(_payload(signed))
    if bundle.version < at_least:
        _refuse("rolled_back", f"the bundle has version {bundle.version}, {at_least} was seen already")
    return bundle


def open_certificate(signed: Signed, bundle: Bundle, now: float | None) -> Certificate:
    """`now` None: as a hint where somebody may be found; who he is he must show anew."""
    _check(signed, "certificate", bundle.primaries)
    certificate = _certificate(_payload(signed))
    if certificate.name in bundle.revoked:
        _refuse("revoked", "the operator revoked this coordinator's key")
    if certificate.role == "primary" and certificate.name not in bundle.primaries:
        _refuse("stranger", "the bundle names other primaries")
    if now is not None and not certificate.holds(now):
        _refuse("expired", "the certificate is of another time: the coordinator must renew it")
    return certificate


def parse(data: bytes) -> Signed:
    if len(data) > MAX_DOCUMENT:
        _refuse("malformed", f"a document is at most {MAX_DOCUMENT} bytes")
    try:
        return parse_object(orjson.loads(data))
    except orjson.JSONDecodeError:
        _refuse("malformed", "the document is not JSON")


def parse_object(read: Any) -> Signed:
    if not isinstance(read, dict) or not isinstance(read.get("payload"), str):
        _refuse("malformed", "the document has no payload")
    signatures = read.get("signatures")
    if not isinstance(signatures, dict) or not 0 < len(signatures) <= MAX_SIGNATURES:
        _refuse("malformed", f"the document has no signatures, or more than {MAX_SIGNATURES}")
    if not all(isinstance(signature, str) for signature in signatures.values()):
        _refuse("malformed", "a signature is no text")
    return Signed(_decode(read["payload"]), signatures)


def public_name(key: Ed25519PrivateKey) -> str:
    return encode(key.public_key().public_bytes_raw())


def verify(name: str, signature: str, message: bytes) -> bool:
    """Whether the holder of the key `name` signed the message. Nothing that one can write is an error."""
    try:
        public = Ed25519PublicKey.from_public_bytes(decode(name, KEY))
        public.verify(decode(signature, SIGNATURE), message)
    except (ValueError, InvalidSignature):
        return False
    return True


def _check(signed: Signed, kind: str, keys: Collection[str]) -> None:
    said = _said(kind, signed.payload)
    if not any(name in keys and verify(name, signature, said) for name, signature in signed.signatures.items()):
        _refuse("forged", f"the {kind} is not signed by a key that may sign it")


def _said(kind: str, payload: bytes) -> bytes:
    return b"edgeproxy %b v1\n%b" % (kind.encode(), payload)


def _payload(signed: Signed) -> dict[str, Any]:
    try:
        read = orjson.loads(signed.payload)
    except orjson.JSONDecodeError:
        _refuse("malformed", "the payload is not JSON")
    if not isinstance(read, dict):
        _refuse("malformed", "the payload is no object")
    return read


def _bundle(read: dict[str, Any]) -> Bundle:
    policy = read.get("policy")
    if policy is not None and not isinstance(policy, dict):
        _refuse("malformed", "policy: must be an object")
    return Bundle(
        version=_number(read, "version"),
        issued=_seconds(read, "issued"),
        not_after=_seconds(read, "not_after"),
        primaries=tuple(_keys(_texts(read, "primaries"))),
        seeds=tuple(map(_url, _texts(read, "seeds"))),
        revoked=tuple(_texts(read, "revoked")),
        readers=max(1, _number(read, "readers")),
        policy=policy,
    )


def _certificate(read: dict[str, Any]) -> Certificate:
    role = read.get("role")
    if role not in ("primary", "regional"):
        _refuse("malformed", "role: must be primary or regional")
    return Certificate(
        name=next(iter(_keys([_text(read, "name")]))),
        url=_url(_text(read, "url")),
        region=_text(read, "region"),
        role=cast(Role, role),
        owner=_text(read, "owner"),
        not_before=_seconds(read, "not_before"),
        not_after=_seconds(read, "not_after"),
    )


def _number(read: dict[str, Any], name: str) -> int:
    value = read.get(name)
    if type(value) is not int or not 0 <= value < 2**53:
        _refuse("malformed", f"{name}: must be a whole number from 0")
    return value


def _seconds(read: dict[str, Any], name: str) -> float:
    value = read.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        _refuse("malformed", f"{name}: must be a number from 0")
    return float(value)


def _text(read: dict[str, Any], name: str) -> str:
    value = read.get(name)
    if not isinstance(value, str) or len(value) > 2048:
        _refuse("malformed", f"{name}: must be a text of at most 2048 characters")
    return value


def _texts(read: dict[str, Any], name: str) -> list[str]:
    value = read.get(name, [])
    if not isinstance(value, list) or len(value) > MAX_ENTRIES or not all(isinstance(item, str) for item in value):
        _refuse("malformed", f"{name}: must be a list of at most {MAX_ENTRIES} texts")
    return value


def _keys(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        try:
            decode(name, KEY)
        except ValueError:
            _refuse("malformed", f"{name[:50]!r} is no public key")
        yield name


def _url(text: str) -> str:
    try:
        return worker_url(text)
    except ValueError as error:
        _refuse("malformed", f"{text[:100]!r}: {error}")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        _refuse("malformed", "the payload is not base64url")


def _refuse(reason: Reason, detail: str) -> NoReturn:
    raise Untrusted(reason, detail)
