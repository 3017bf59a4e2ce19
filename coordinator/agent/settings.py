"""What the owner of a lent machine can set."""

from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from coordinator.agent.hours import Hours
from coordinator.settings import CoordinatorSettings
from edgeproxy.cluster.client import base_urls
from edgeproxy.cluster.homes.settings import HomesSettings
from edgeproxy.cluster.messages import WorkerId
from edgeproxy.cluster.urls import worker_url
from edgeproxy.runtime.environment import CommaList
from edgeproxy.runtime.sockets import Bind

PREFIXES: Final = ("AGENT_", "COORDINATOR_")

WorkerChoice = Literal["auto", "gpu", "cpu", "storage", "edge"]
WAYS: Final = ("direct", "reverse", "tunnel")
EVERY_ADDRESS: Final = ("0.0.0.0", "::")
_PLACES: Final = {"{name}": "name", "{port}": "1"}  # what stands in their place while the rest is checked


def _tunnel(url: str) -> str:
    probe = url
    for place, sample in _PLACES.items():
        probe = probe.replace(place, sample)
    worker_url(probe)
    return url.rstrip("/")


def _ways(ways: tuple[str, ...]) -> tuple[str, ...]:
    for way in ways:
        if way not in WAYS:
            raise ValueError(f"{way} is none of {', '.join(WAYS)}")
    return ways


def _urls(urls: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(worker_url(url) for url in urls)


def _hours(text: str) -> str:
    Hours.parse(text)
    return text


def _host(host: str) -> str:
    if host not in EVERY_ADDRESS:
        worker_url(f"http://{Bind(host, 1)}")
    return host


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class AgentSettings(HomesSettings):
    """`coordinator agent`."""

    known: ClassVar[frozenset[str]] = frozenset({*CoordinatorSettings.variables(), "COORDINATOR_CONFIG"})

    coordinator_url: Annotated[str, AfterValidator(lambda urls: ",".join(base_urls(urls)))] = Field(
        "http://127.0.0.1:8080",
        validation_alias="COORDINATOR_URL",
        description="where to register; of a comma list the first that answers",
    )
    api_key: SecretStr | None = Field(None, validation_alias="API_KEY", description="the fleet's join secret")
    worker_type: Annotated[WorkerChoice, BeforeValidator(_lower)] = Field(
        "auto", validation_alias="WORKER_TYPE", description="gpu, cpu, storage or edge; auto: found out"
    )
    worker_id: WorkerId | None = Field(
        None,
        validation_alias="WORKER_ID",
        description="this machine's name in the fleet; empty: given by the coordinator",
    )
    tunnel_url: Annotated[str, AfterValidator(_tunnel)] | None = Field(
        None,
        validation_alias="TUNNEL_URL",
        description="where this machine is reached from outside; {name} and {port} stand for those of a service",
    )
    use_tunnel: bool = Field(True, validation_alias="USE_TUNNEL", description="false: do not tell TUNNEL_URL")
    region: str | None = Field(None, max_length=200, validation_alias="REGION", description="where the machine stands")
    identity: Path | None = Field(
        None,
        validation_alias="AGENT_IDENTITY",
        description="file of this machine's key, made if it is not there; default: one in the user's state directory",
    )
    coordinator_key: str | None = Field(
        None,
        validation_alias="COORDINATOR_KEY",
        description="public key of the only coordinator to trust; unset: whoever answers at COORDINATOR_URL",
    )
    host: Annotated[str, AfterValidator(_host)] | None = Field(
        None,
        validation_alias="AGENT_HOST",
        description="address on which services listen and are told; default: ours towards the coordinator",
    )
    services_file: Path | None = Field(
        None,
        validation_alias="AGENT_SERVICES_FILE",
        description="TOML that says how services are started, beside or in place of the built-in ones",
    )
    services: CommaList = Field(
        (), validation_alias="AGENT_SERVICES", description="comma list of the services that may run here; default: all"
    )

    data: Path = Field(
        Path("~/.edgeproxy"),
        validation_alias="AGENT_DATA",
        description="where services keep what they store, each in a directory of its own",
    )
    expose: Annotated[CommaList, AfterValidator(_ways)] = Field(
        WAYS,
        validation_alias="AGENT_EXPOSE",
        description="how services may be reached, the first that works is taken: direct, reverse, tunnel",
    )
    port: int | None = Field(
        None,
        ge=1,
        le=65535,
        validation_alias="AGENT_PORT",
        description="one port for all services, by path; default: each has its own where the machine can be reached",
    )
    edges: Annotated[CommaList, AfterValidator(_urls)] = Field(
        (),
        validation_alias="AGENT_EDGES",
        description="comma list of edge proxies to dial in at; default: those that the coordinator lists",
    )
    cloudflared: str = Field(
        "cloudflared", min_length=1, validation_alias="CLOUDFLARED", description="the program of the tunnel"
    )
    tunnel_token: SecretStr | None = Field(
        None,
        validation_alias="TUNNEL_TOKEN",
        description="of a named Cloudflare tunnel, which TUNNEL_URL belongs to; unset: a quick one is opened",
    )
    lent: Annotated[str, AfterValidator(_hours)] = Field(
        "",
        validation_alias="AGENT_HOURS",
        description="when the machine is lent, e.g. Mon-Fri 18:00-08:00, Sat-Sun 00:00-24:00; default: always",
    )
    drain: float = Field(
        10.0,
        ge=0,
        le=3600,
        validation_alias="AGENT_DRAIN",
        description="seconds that requests and services have to end when the machine is wanted back",
    )

    @property
    def hours(self) -> Hours:
        return Hours.parse(self.lent)

    @property
    def tunnel(self) -> str | None:
        """As it was given, with {name} and {port}."""
        return self.tunnel_url if self.use_tunnel else None
