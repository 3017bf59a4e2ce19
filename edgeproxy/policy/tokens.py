"""JSON Web Tokens (RFC 7519) as an alternative to keys: verified by the issuer's published keys, with the algorithms
that the operator names and no others (RFC 8725 section 3.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from edgeproxy.policy.keys import MAX_CREDENTIAL, Caller

MAX_REMEMBERED = 4096
"""Verified tokens of a process; some 2 KiB each."""
LEEWAY = 30
"""Seconds by which clocks may differ."""

_NAME = re.compile(r"[^\x21-\x7e]")


class Tokens:
    """`wall` gives seconds since 1970. `keys` is replaced when the issuer publishes new ones; then no token that was
    verified by the old ones is remembered. `services_claim`: the claim that lists services, space-separated or as
    a list; "" for no such restriction. `miss` is called where a token names a key that is not among them: the
    issuer may have new ones."""

    def __init__(
        self,
        wall: Callable[[], float],
        *,
        algorithms: Sequence[str],
        issuer: str = "",
        audience: str = "",
        services_claim: str = "",
        miss: Callable[[], None] = lambda: None,
    ) -> None:
        self._wall = wall
        self._algorithms = list(algorithms)
        self._issuer = issuer
        self._audience = audience
        self._services_claim = services_claim
        self._miss = miss
        self._keys: KeySet | None = None
        self._verified: dict[bytes, Caller] = {}

    def use(self, jwks: dict[str, Any]) -> None:
        """ValueError where that is no key set."""
        try:
            self._keys = KeySet.import_key_set(jwks)  # type: ignore[arg-type]
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ValueError(f"not a JSON Web Key Set: {type(error).__name__}") from None
        self._verified.clear()

    def known(self, token: bytes) -> Caller | None:
        """The owner of a token that was verified before."""
        return self._verified.get(token)

    def find(self, token: bytes, now: float) -> Caller | None:
        """The token's owner, or None for what is no valid token. One that has expired is its owner's still, who is
        told so."""
        caller = self._verified.get(token)
        if caller is None:
            caller = self._verify(token, now)
            if caller is not None:
                if len(self._verified) >= MAX_REMEMBERED:
                    self._verified.clear()
                self._verified[token] = caller
        return caller

    def _verify(self, token: bytes, now: float) -> Caller | None:
        if self._keys is None or len(token) > MAX_CREDENTIAL or token.count(b".") != 2:
            return None
        try:
            claims = jwt.decode(token.decode("ascii"), self._keys, algorithms=self._algorithms).claims
        except InvalidKeyIdError:
            self._miss()
            return None
        except (JoseError, ValueError, TypeError, KeyError):
            return None
        if not self._is_for_us(claims):
            return None
        wall = self._wall()
        expires: Any = claims.get("exp")
        not_before: Any = claims.get("nbf", 0)
        subject = claims.get("sub")
        if not _number(expires) or not _number(not_before) or not isinstance(subject, str) or not subject:
            return None
        if not_before > wall + LEEWAY:
            return None
        return Caller(
            "jwt:" + _NAME.sub("_", subject[:128]),
            services=self._services(claims),
            expires=now + (expires + LEEWAY - wall),
        )

    def _is_for_us(self, claims: dict[str, Any]) -> bool:
        audience = claims.get("aud", ())
        audiences = [audience] if isinstance(audience, str) else audience
        if self._issuer and claims.get("iss") != self._issuer:
            return False
        return not self._audience or (isinstance(audiences, list) and self._audience in audiences)

    def _services(self, claims: dict[str, Any]) -> list[str] | None:
        if not self._services_claim:
            return None
        listed = claims.get(self._services_claim, "")
        names = listed.split() if isinstance(listed, str) else listed
        return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
