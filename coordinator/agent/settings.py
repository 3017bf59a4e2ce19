"""What the owner of a lent machine can set."""

from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from coordinator.settings import CoordinatorSettings
from edgeproxy.cluster.client import base_urls
from edgeproxy.cluster.homes.settings import HomesSettings
from edgeproxy.cluster.messages import WorkerId
from edgeproxy.cluster.urls import worker_url
from edgeproxy.runtime.environment import CommaList
from edgeproxy.runtime.sockets import Bind

PREFIXES: Final = ("AGENT_", "COORDINATOR_")

WorkerChoice = Literal["auto", "gpu", "cpu", "storage", "edge"]
EVERY_ADDRESS: Final = ("0.0.0.0", "::")
_PLACES: Final = {"{name}": "name", "{port}": "1"}  # what stands in their place while the rest is checked


def _tunnel(url: str) -> str:
    probe = url
    for place, sample in _PLACES.items():
        probe = probe.replace(place, sample)
    worker_url(probe)
    return url.rstrip("/")


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

    @property
    def tunnel(self) -> str | None:
        """As it was given, with {name} and {port}."""
        return self.tunnel_url if self.use_tunnel else None

    @property
    def machine_tunnel(self) -> str | None:
        """The tunnel if it is one URL for all that runs here."""
        return None if self.tunnel is None or "{" in self.tunnel else self.tunnel
