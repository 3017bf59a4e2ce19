"""What an operator can set. Every variable may be read from a file, NAME_FILE; a flag wins over both."""

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from coordinator.identity.gate import Caller
from edgeproxy.cluster.client import base_urls
from edgeproxy.cluster.homes.settings import KvSettings
from edgeproxy.cluster.store.url import store_url
from edgeproxy.cluster.urls import worker_url
from edgeproxy.runtime.environment import CommaList, EnvironmentSettings

_WORDS: Final = frozenset({"loopback", "anywhere", "nowhere"})


def _places(places: tuple[str, ...]) -> tuple[str, ...]:
    for place in places:
        if place not in _WORDS:
            ip_network(place)
    return places


def callers_from(places: tuple[str, ...]) -> Callable[[Caller], bool]:
    """Whether a caller may ask without a proof or key, from where it is. What came through a proxy is where the proxy
    is, and the proxy may be asked by anybody: only `anywhere` accepts that."""
    networks = [ip_network(place) for place in places if place not in _WORDS]

    def accepts(caller: Caller) -> bool:
        if "anywhere" in places or ("loopback" in places and caller.loopback):
            return True
        if not caller.direct or not caller.address:
            return False
        address = ip_address(caller.address)
        plain = getattr(address, "ipv4_mapped", None) or address
        return any(plain in network for network in networks)

    return accepts


class CoordinatorSettings(KvSettings):
    """`coordinator serve`. Refuses to be reachable by others while anybody could join."""

    known: ClassVar[frozenset[str]] = frozenset(  # the agent's and the tables'
        {"COORDINATOR_URL", "COORDINATOR_KEY", "COORDINATOR_LIST"}
    )

    host: str = Field("0.0.0.0", min_length=1, validation_alias="COORDINATOR_HOST", description="address to listen on")
    port: int = Field(8080, ge=0, le=65535, validation_alias="COORDINATOR_PORT", description="port to listen on")
    api_key: SecretStr | None = Field(
        None, validation_alias="API_KEY", description="join secret of workers; unset: they may join over loopback only"
    )
    open: bool = Field(
        False, validation_alias="COORDINATOR_OPEN", description="true: without API_KEY, let workers join from anywhere"
    )
    admin_key: SecretStr | None = Field(
        None,
        validation_alias="COORDINATOR_ADMIN_KEY",
        description="the operators' secret: drain, cordon, revoke; unset: they work on the coordinator's own machine",
    )
    identity: Path | None = Field(
        None,
        validation_alias="COORDINATOR_IDENTITY",
        description="directory of the coordinator's key and of the revoked ones; unset: new ones with every start",
    )
    unsigned: Annotated[CommaList, AfterValidator(_places)] = Field(
        (),
        validation_alias="COORDINATOR_UNSIGNED",
        description="from where old programs that do not sign are accepted: loopback, anywhere, nowhere, or a comma "
        "list of networks; default: loopback, with COORDINATOR_OPEN and no API_KEY anywhere",
    )
    cors_origins: CommaList = Field(
        (),
        validation_alias="COORDINATOR_CORS_ORIGINS",
        description="comma list of origins (https://app.example.org) whose pages may read this coordinator, or *; "
        "default: none",
    )
    users: Annotated[CommaList, AfterValidator(_places)] = Field(
        (),
        validation_alias="COORDINATOR_USERS",
        description="from where users' requests (/service/, /api/inference/) are passed on to workers without API_KEY: "
        "loopback, anywhere, nowhere, or a comma list of networks; default: loopback, with COORDINATOR_OPEN anywhere",
    )
    heartbeat_interval: float = Field(
        5.0,
        ge=0.1,
        le=300,
        validation_alias="COORDINATOR_HEARTBEAT_INTERVAL",
        description="seconds between the heartbeats of an agent; more while there are very many. One that is late is "
        "asked, after three missed ones it is offline",
    )
    catalog: Path | None = Field(
        None,
        validation_alias="COORDINATOR_CATALOG",
        description="TOML file of the services of the fleet; unset: the fourteen common ones",
    )
    state: Path | None = Field(
        None,
        validation_alias="COORDINATOR_STATE",
        description="file that the registry is kept in over restarts; unset: over crashes of its process only",
    )
    max_workers: int = Field(
        100_000, ge=1, le=1_000_000, validation_alias="COORDINATOR_MAX_WORKERS", description="most workers to remember"
    )
    dial_back: bool = Field(
        True,
        validation_alias="COORDINATOR_DIAL_BACK",
        description="false: show workers to edges though the coordinator has not reached them",
    )
    peers: Annotated[CommaList, AfterValidator(lambda urls: base_urls(",".join(urls)) if urls else ())] = Field(
        (),
        validation_alias="COORDINATOR_PEERS",
        description="comma list of other coordinators with the same API_KEY, which are asked whether they reach a "
        "worker before it is called dead",
    )
    federation: Path | None = Field(
        None,
        validation_alias="COORDINATOR_FEDERATION",
        description="file of the signed list of coordinators (`coordinator keys`), kept up to date; unset: alone",
    )
    roots: CommaList = Field(
        (),
        validation_alias="COORDINATOR_TRUST",
        description="comma list of the operator's root keys (`coordinator keys new`) that the list must be signed by",
    )
    region: str = Field(
        "", max_length=100, validation_alias="COORDINATOR_REGION", description="where this coordinator stands"
    )
    public_url: Annotated[str, AfterValidator(lambda url: url and worker_url(url))] = Field(
        "", validation_alias="COORDINATOR_PUBLIC_URL", description="where others reach it; default: as it was certified"
    )
    accept_rate: float = Field(
        500.0,
        gt=0,
        le=100_000,
        validation_alias="COORDINATOR_ACCEPT_RATE",
        description="registrations a second that workers of a coordinator that died may send here",
    )
    shared_store_url: SecretStr | None = Field(
        None,
        validation_alias="SHARED_STORE_URL",
        description="redis:// or valkey:// (also redis+sentinel://h1,h2/name, redis+cluster://h1,h2) that the "
        "coordinators of one site share their registry by; unset: in memory",
    )
    site: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = Field(
        "main", validation_alias="COORDINATOR_SITE", description="name of the site in that store"
    )
    kv_token: SecretStr | None = Field(
        None,
        validation_alias="CLOUDFLARE_API_TOKEN",
        description="may write that namespace; with it a primary keeps a copy of the list there",
    )
    drain: float = Field(
        60.0,
        ge=0,
        le=3600,
        validation_alias="COORDINATOR_DRAIN",
        description="seconds that workers have to go to other coordinators when this one leaves; it ends as soon as "
        "none is left",
    )

    @property
    def accepts_unsigned(self) -> Callable[[Caller], bool] | None:
        """None: as it is by default."""
        return callers_from(self.unsigned) if self.unsigned else None

    @property
    def serves_users(self) -> Callable[[Caller], bool] | None:
        """None: as it is by default."""
        return callers_from(self.users) if self.users else None

    @field_validator("shared_store_url")
    @classmethod
    def _is_store(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            store_url(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _whole_federation(self) -> Self:
        if self.federation is not None and (not self.roots or self.identity is None):
            raise ValueError(
                "COORDINATOR_FEDERATION needs COORDINATOR_TRUST, whom to trust, and COORDINATOR_IDENTITY, who we are"
            )
        return self

    @model_validator(mode="after")
    def _no_open_door(self) -> Self:
        if self.api_key is None and not self.open and not is_loopback(self.host):
            raise ValueError(
                f"COORDINATOR_HOST={self.host} is reachable from other machines and API_KEY is not set: "
                "set API_KEY, or COORDINATOR_HOST=127.0.0.1, or COORDINATOR_OPEN=true"
            )
        return self


class ReaderSettings(EnvironmentSettings):
    """`coordinator workers`, `gaps`, `services`."""

    known: ClassVar[frozenset[str]] = frozenset(CoordinatorSettings.variables())

    url: Annotated[str, AfterValidator(lambda urls: ",".join(base_urls(urls)))] = Field(
        "http://127.0.0.1:8080",
        validation_alias="COORDINATOR_URL",
        description="the coordinator; a comma list is tried in order",
    )


class OperatorSettings(ReaderSettings):
    """`coordinator drain`, `cordon` and other orders."""

    api_key: SecretStr | None = Field(None, validation_alias="API_KEY", description="the fleet's join secret")
    admin_key: SecretStr | None = Field(
        None, validation_alias="COORDINATOR_ADMIN_KEY", description="the operators' secret; unset: API_KEY is shown"
    )


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def variables_help(*classes: type[EnvironmentSettings]) -> str:
    """One line a variable, for --help: its name, what it is, its default."""
    lines = []
    for cls in classes:
        for variable, name in cls.variables().items():
            field = cls.model_fields[name]
            default = f" (default {_shown(field.default)})" if field.default not in (None, ()) else ""
            lines.append(f"{variable}: {field.description}{default}")
    return "\n\n".join(lines)


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower()
