"""Forged tokens, shown to a running edge: the issuer is a real server, whose keys change."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, hmac
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from tests.e2e.guarded import Start, eventually, get
from tests.e2e.processes import Proxy

KEYS = "/.well-known/jwks.json"
FIRST = ECKey.generate_key("P-256", {"kid": "first", "use": "sig"})
SECOND = ECKey.generate_key("P-256", {"kid": "second", "use": "sig"})
STRANGER = ECKey.generate_key("P-256", {"kid": "first"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})

POLICY = """
[jwt]
jwks_url = "{url}"
algorithms = ["ES256"]
issuer = "https://issuer.test"
audience = "edge"
services_claim = "services"

"""


def now() -> int:
    return int(datetime.now(UTC).timestamp())


def token(key: Any = FIRST, alg: str = "ES256", kid: str | None = None, **claims: Any) -> str:
    usual = {
        "iss": "https://issuer.test",
        "aud": "edge",
        "sub": "alice",
        "exp": now() + 600,
        "services": "upstreams",
    }
    header = {"alg": alg, "kid": kid or key.kid}
    return jwt.encode(header, {**usual, **claims}, key, algorithms=[alg])


def part(content: Any) -> str:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def published(*keys: Any) -> Any:
    return KeySet(list(keys)).as_dict(private=False)


@pytest.fixture
def guarded(edge: Start, documents: Start, tmp_path: Path) -> tuple[Proxy, Any]:
    """(edge, issuer)"""
    issuer = documents({KEYS: published(FIRST, RSA)})
    path = tmp_path / "policy.toml"
    path.write_text(POLICY.format(url=issuer.url + KEYS))
    served: Proxy = edge(EDGEPROXY_POLICY=str(path), EDGEPROXY_RATE_LIMIT="off", EDGEPROXY_BAN="off")
    eventually(lambda: shown(served, token()).status_code == 200)
    return served, issuer


def shown(edge: Proxy, text: str) -> httpx.Response:
    return get(edge, Authorization="Bearer " + text)


def on_two(answers: Callable[[], httpx.Response], status: int) -> None:
    """Whichever of two processes takes it."""
    assert [answers().status_code for _ in range(4)] == [status] * 4


def test_no_forged_token_passes(guarded: tuple[Proxy, Any]) -> None:
    edge, _ = guarded
    good = token()
    head, body, signature = good.split(".")
    assert "Authorization" not in shown(edge, good).json()["headers"], "the worker has seen the token"
    root = {**json.loads(base64.urlsafe_b64decode(body + "==")), "sub": "root"}
    public = RSA.as_pem(private=False)
    confused = part({"alg": "HS256", "kid": "rsa"}) + "." + part(root)
    mac = hmac.HMAC(public, hashes.SHA256())
    mac.update(confused.encode())
    embedded = part({"alg": "ES256", "jwk": STRANGER.as_dict(private=False)}) + "." + part(root)
    forged = {
        "another's name under a good signature": f"{head}.{part(root)}.{signature}",
        "no signature": f"{head}.{body}.",
        "alg none": f"{part({'alg': 'none'})}.{part(root)}.",
        "alg None, with a key's name": f"{part({'alg': 'nOnE', 'kid': 'first'})}.{part(root)}.",
        "the public key as a shared secret": f"{confused}.{part(mac.finalize())}",
        "an algorithm that is not pinned": token(RSA, "RS256"),
        "another's key by our key's name": token(STRANGER),
        "a key that it brings along": f"{embedded}.{signature}",
        "another issuer": token(iss="https://evil.test"),
        "another audience": token(aud="bank"),
        "no audience": token(aud=[]),
        "not yet": token(nbf=now() + 3600),
        "never ends": token(exp=None),
        "nobody": token(sub=""),
        "five parts": f"{good}.a.b",
        "too long": "a." * 4000,
    }
    for what, text in forged.items():
        refused = shown(edge, text)
        assert refused.status_code == 401, what
        assert refused.headers["www-authenticate"].startswith("Bearer"), what
        assert "evil" not in refused.text
    late, narrow = shown(edge, token(exp=now() - 3600)), shown(edge, token(services="llm-inference"))
    assert (late.status_code, late.json()["type"]) == (403, "urn:edgeproxy:problem:key_expired")
    assert (narrow.status_code, narrow.json()["type"]) == (403, "urn:edgeproxy:problem:out_of_scope")
    assert shown(edge, good).status_code == 200


def test_rotated_keys_are_taken_up_and_a_flood_of_unknown_ones_asks_the_issuer_seldom(
    guarded: tuple[Proxy, Any],
) -> None:
    edge, issuer = guarded
    issuer.documents[KEYS] = published(SECOND)  # and the first is withdrawn
    eventually(lambda: shown(edge, token(SECOND)).status_code == 200)
    on_two(lambda: shown(edge, token(SECOND)), 200)
    on_two(lambda: shown(edge, token(FIRST)), 401)
    asked = issuer.asked[KEYS]
    began = time.monotonic()
    with httpx.Client() as client:
        for number in range(200):
            text = token(STRANGER, kid=f"unknown-{number}")
            assert client.get(f"{edge.url}/who", headers={"Authorization": f"Bearer {text}"}).status_code == 401
    time.sleep(1.5)  # for what a token has caused to be done
    assert issuer.asked[KEYS] - asked <= 1 + (time.monotonic() - began) / 10
    del issuer.documents[KEYS]
    assert shown(edge, token(SECOND)).status_code == 200, "the last keys stay while the issuer is away"
