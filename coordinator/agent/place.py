"""Where services of this machine listen, and where they are reached."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from coordinator.agent.descriptions import Place
from coordinator.agent.probe import address_towards
from coordinator.agent.settings import EVERY_ADDRESS, AgentSettings
from edgeproxy.cluster.urls import worker_url
from edgeproxy.runtime.environment import ConfigurationError, reveal
from edgeproxy.runtime.sockets import Bind

LOOPBACK: Final = "127.0.0.1"
_LOOPBACK_OF: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_OURS: Final = ("AGENT_", "WORKER_", "RUNTIME_", "API_KEY", "TUNNEL_", "USE_TUNNEL", "CLOUDFLARE", "NOTIFY_SOCKET")


class Unplaceable(Exception):
    """A service has no place here; `str()` says what is missing and what to change."""


@dataclass(frozen=True, slots=True)
class Site:
    """`bind` is where services listen, `address` what others call this machine."""

    bind: str
    address: str
    coordinator_url: str
    api_key: str = ""
    data: str = "/data"

    def on_loopback(self) -> "Site":
        """For what is reached through something else on this machine."""
        return replace(self, bind=LOOPBACK)

    def place(self, port: int) -> Place:
        return Place(self.bind, port, self.coordinator_url, self.api_key, self.data)

    def make_room(self, name: str) -> None:
        """The directory of a service; Unplaceable."""
        try:
            Path(self.data, name).mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Unplaceable(f"{self.data}/{name} cannot be made: {error.strerror}; set AGENT_DATA") from None

    def local_url(self, port: int) -> str:
        """Where this machine reaches the service itself."""
        return f"http://{Bind(_LOOPBACK_OF.get(self.bind, self.bind), port)}"


def find_site(settings: AgentSettings, coordinator_url: str) -> Site:
    """Where services listen and are reached, by the settings or by the way to the coordinator."""
    towards = address_towards(coordinator_url)
    bind = settings.host or towards
    address = towards if bind in EVERY_ADDRESS else bind
    try:
        worker_url(f"http://{Bind(address, 1)}")
    except ValueError as error:
        raise ConfigurationError(f"this machine has no address to tell others ({error}): set AGENT_HOST") from None
    return Site(bind, address, settings.coordinator_url, reveal(settings.api_key) or "", _data(settings.data))


def _data(directory: Path) -> str:
    try:
        return str(directory.expanduser())
    except RuntimeError:  # a user without a home, as in a container
        return tempfile.gettempdir()


def service_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What services inherit: all but what steers the agent, above all its secret."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_OURS)}
    return {"PYTHONUNBUFFERED": "1", **kept}
