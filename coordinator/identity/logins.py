"""What an operator gets for the operators' key: a token (a JSON Web Token, RFC 7519, by HMAC-SHA-256) that old
dashboards ask for with a name and a password. Pure; the caller says what time it is (Unix seconds).

The secret is of this process: a token ends with its time, or with us.
"""

import base64
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

LIFETIME: Final = 8 * 3600  # a day's work
MAX_TOKEN: Final = 1024
_HEADER: Final = {"alg": "HS256", "typ": "JWT"}


@dataclass(slots=True)
class Logins:
    """`issue` and `whose`."""

    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def issue(self, name: str, now: float) -> str:
        claims = {"sub": name, "role": "operator", "iat": int(now), "exp": int(now) + LIFETIME}
        said = _encode(orjson.dumps(_HEADER)) + b"." + _encode(orjson.dumps(claims))
        return (said + b"." + _encode(self._mac(said))).decode()

    def whose(self, token: str, now: float) -> str | None:
        """The name that it was given to; None for one that is not ours, or over."""
        said, _, mac = token.encode(errors="replace")[: MAX_TOKEN + 1].rpartition(b".")
        if not hmac.compare_digest(_encode(self._mac(said)), mac):
            return None
        claims = _claims(said)  # ours, since the MAC is
        return str(claims["sub"]) if now < claims["exp"] else None

    def _mac(self, said: bytes) -> bytes:
        return hmac.digest(self._secret, said, "sha256")


def _claims(said: bytes) -> dict[str, Any]:
    encoded = said.partition(b".")[2]
    claims: dict[str, Any] = orjson.loads(base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4)))
    return claims


def _encode(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
