"""Tokens: only the issuer's, only by the algorithms that were named, only for us, only in their time."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from edgeproxy.policy.tokens import LEEWAY, Tokens

NOW = 1_800_000_000.0
ISSUER = ECKey.generate_key("P-256", {"kid": "one"})


def tokens(**options: Any) -> Tokens:
    made = Tokens(lambda: NOW, algorithms=["ES256"], issuer="https://issuer", audience="edge", **options)
    made.use(KeySet([ISSUER]).as_dict(private=False))
    return made


def token(key: Any = ISSUER, alg: str = "ES256", **claims: Any) -> bytes:
    usual = {"iss": "https://issuer", "aud": "edge", "sub": "alice", "exp": NOW + 60}
    body = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    return jwt.encode({"alg": alg, "kid": "one"}, body, key, algorithms=[alg]).encode()


def test_an_issuers_token_names_its_owner() -> None:
    caller = tokens().find(token(), 100.0)
    assert caller is not None
    assert (caller.name, caller.services, caller.expires) == ("jwt:alice", None, 100.0 + 60 + LEEWAY)


def test_a_token_that_has_expired_is_its_owners_still() -> None:
    caller = tokens().find(token(exp=NOW - 3600), 100.0)
    assert caller is not None
    assert caller.expires < 100.0


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other"},
        {"aud": "other"},
        {"aud": ["other"]},
        {"aud": None},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"nbf": NOW + 3600},
        {"sub": None},
        {"sub": ""},
        {"sub": 5},
    ],
)
def test_what_is_not_for_us_is_nobodys(claims: dict[str, Any]) -> None:
    assert tokens().find(token(**claims), 100.0) is None


def test_another_key_and_another_algorithm() -> None:
    assert tokens().find(token(ECKey.generate_key("P-256", {"kid": "one"})), 100.0) is None
    public = OctKey.import_key(str(ISSUER.as_dict(private=False)))  # the classic: what is public as a shared secret
    assert tokens().find(token(public, "HS256"), 100.0) is None


@pytest.mark.parametrize("junk", [b"", b"a.b.c", b"..", b"\xff.\xff.\xff", b"e30.e30.", b"a" * 5000])
def test_junk(junk: bytes) -> None:
    assert tokens().find(junk, 100.0) is None


def test_services() -> None:
    caller = tokens(services_claim="scope").find(token(scope="ocr notes"), 100.0)
    assert caller is not None
    assert caller.services == {"ocr", "notes"}
    none = tokens(services_claim="scope").find(token(), 100.0)
    assert none is not None
    assert none.services == frozenset()


def test_new_keys_end_what_the_old_ones_had_said() -> None:
    made = tokens()
    assert made.find(token(), 100.0) is not None
    made.use(KeySet([ECKey.generate_key("P-256", {"kid": "one"})]).as_dict(private=False))
    assert made.find(token(), 100.0) is None
    with pytest.raises(ValueError, match="Key Set"):
        made.use({"keys": 5})


def test_a_known_token_is_not_verified_again() -> None:
    made, shown = tokens(), token()
    assert made.find(shown, 100.0) is made.find(shown, 200.0)
