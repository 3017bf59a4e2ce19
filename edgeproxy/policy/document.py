"""The policy file: keys, what each service asks for, and whose tokens count. TOML, read again when it changes.

[keys.alice]                        # `edgeproxy key alice` makes a key and these lines
sha256 = "9f86d081..."
services = ["llm-inference"]        # left out: all
rate_limit = "10/second;burst=20"   # left out: EDGEPROXY_RATE_LIMIT
expires = 2027-01-01T00:00:00Z      # left out: never

[services.llm-inference]            # the route's name: a service, `api`, `upstreams` or `none`
rate_limit = "2/second"             # for each caller
total_rate_limit = "50/second"      # for all together
max_body = "1MiB"
open = true                         # no key is asked for
credentials = "application"         # Authorization goes on to the worker unless it was our key;
                                    # "pass": everything does; "strip" (default): nothing
cors_origins = ["https://app.example.org"]
priority = "high"                   # low, normal, high: who is refused first when there is too much to do

[jwt]
jwks_url = "https://issuer.example.org/.well-known/jwks.json"
algorithms = ["ES256"]
issuer = "https://issuer.example.org"
audience = "edgeproxy"
services_claim = "services"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from edgeproxy.policy.cors import Cors, origin
from edgeproxy.policy.keys import Caller
from edgeproxy.policy.notation import parse_limits
from edgeproxy.policy.rules import CREDENTIALS, RoutePolicy
from edgeproxy.policy.shed import PRIORITIES
from edgeproxy.policy.sizes import size

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Those with a public key: a secret that every edge must know would let every edge make tokens."""
MAX_KEYS = 20_000


def _rate(value: str) -> str:
    parse_limits(value, "check")
    return value


Size = Annotated[int, BeforeValidator(size), Field(ge=1)]
Rate = Annotated[str, AfterValidator(_rate)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class KeyPart(_Part):
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]
    services: list[str] | None = None
    rate_limit: Rate | None = None
    expires: datetime | None = None


class ServicePart(_Part):
    rate_limit: Rate = "off"
    total_rate_limit: Rate = "off"
    max_body: Size | None = None
    open: bool = False
    credentials: Literal["strip", "application", "pass"] = "strip"
    cors_origins: list[Annotated[str, AfterValidator(origin)]] | None = None
    cors_credentials: bool = False
    priority: Literal["low", "normal", "high"] = "normal"

    @model_validator(mode="after")
    def _no_open_credentials(self) -> Self:
        if self.cors_credentials and "*" in (self.cors_origins or ()):
            raise ValueError("cors_credentials need origins by name, not *")
        return self

    def policy(self, name: str) -> RoutePolicy:
        cors = None
        if self.cors_origins is not None:
            cors = Cors(self.cors_origins, credentials=self.cors_credentials)
        return RoutePolicy(
            each=parse_limits(self.rate_limit, f"{name}.each"),
            together=parse_limits(self.total_rate_limit, f"{name}.all"),
            open=self.open,
            credentials=CREDENTIALS[self.credentials],
            body_bytes=self.max_body or 0,
            cors=cors,
            priority=PRIORITIES[self.priority],
        )


class TokenPart(_Part):
    jwks_url: str | None = None
    jwks_file: str | None = None
    algorithms: Annotated[list[Literal[ALGORITHMS]], Field(min_length=1)]  # type: ignore[valid-type]
    issuer: Annotated[str, Field(min_length=1)]
    audience: Annotated[str, Field(min_length=1)]
    services_claim: str = ""

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if (self.jwks_url is None) == (self.jwks_file is None):
            raise ValueError("name either jwks_url or jwks_file")
        if self.jwks_url is not None and not _is_safe(self.jwks_url):
            raise ValueError("jwks_url must be https: whoever can change those keys can make tokens")
        return self


def _is_safe(url: str) -> bool:
    """Whether nobody on the way can change what comes from there."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1"))


class Document(_Part):
    """A whole policy file."""

    keys: Annotated[dict[Name, KeyPart], Field(max_length=MAX_KEYS)] = {}
    services: dict[Name, ServicePart] = {}
    jwt: TokenPart | None = None

    def callers(self, now: float) -> list[Caller]:
        """The keys' owners; `now` is monotonic seconds, which a time of day is turned into."""
        return [_caller(name, part, now) for name, part in self.keys.items()]

    def policies(self) -> Mapping[str, RoutePolicy]:
        return {name: part.policy(name) for name, part in self.services.items()}


def read_document(text: str) -> Document:
    """ValueError is one line that says what is wrong where, and quotes no value."""
    try:
        return Document.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{where}: {first['msg']}") from None


def _caller(name: str, part: KeyPart, now: float) -> Caller:
    limits = None if part.rate_limit is None else parse_limits(part.rate_limit, f"key.{name}")
    if part.expires is None:
        return Caller(name, bytes.fromhex(part.sha256), services=part.services, limits=limits)
    expires = part.expires if part.expires.tzinfo else part.expires.replace(tzinfo=UTC)
    left = (expires - datetime.now(UTC)).total_seconds()
    return Caller(name, bytes.fromhex(part.sha256), services=part.services, limits=limits, expires=now + left)
