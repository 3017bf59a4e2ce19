"""What the launcher can be told, by flag or variable."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from coordinator.demo.fleet import Ports
from edgeproxy.runtime.environment import EnvironmentSettings


class DemoSettings(EnvironmentSettings):
    """Ports of the fleet, the pace of the language model in seconds a token, and where logs and sample go."""

    edge_port: int = Field(8787, ge=1, le=64_000, validation_alias="EDGEPROXY_PORT")
    balancer_port: int = Field(8090, ge=1, le=64_000, validation_alias="DEMO_BALANCER_PORT")
    coordinator_port: int = Field(8080, ge=1, le=65_535, validation_alias="COORDINATOR_PORT")
    token_delay: float = Field(0.02, ge=0, le=10, validation_alias="DEMO_TOKEN_DELAY")
    directory: Path = Field(Path(".demo"), validation_alias="DEMO_DIRECTORY")

    @property
    def ports(self) -> Ports:
        return Ports(self.edge_port, self.balancer_port, self.coordinator_port)
