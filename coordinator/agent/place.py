"""Where services of this machine listen, and where they are reached."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from coordinator.agent.descriptions import Place
from edgeproxy.runtime.sockets import Bind

_LOOPBACK_OF: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_OURS: Final = ("AGENT_", "WORKER_", "RUNTIME_", "API_KEY", "TUNNEL_URL", "USE_TUNNEL", "NOTIFY_SOCKET")


@dataclass(frozen=True, slots=True)
class Site:
    """`bind` is where services listen, `address` what others call this machine, `tunnel` what they use instead."""

    bind: str
    address: str
    coordinator_url: str
    api_key: str = ""
    tunnel: str | None = None

    def place(self, port: int) -> Place:
        return Place(self.bind, port, self.coordinator_url, self.api_key)

    def service_url(self, name: str, port: int) -> str:
        """Where users' requests for that service go."""
        if self.tunnel is None:
            return f"http://{Bind(self.address, port)}"
        return self.tunnel.replace("{name}", name).replace("{port}", str(port))

    def health_url(self, port: int, path: str) -> str:
        return f"http://{Bind(_LOOPBACK_OF.get(self.bind, self.bind), port)}{path}"


def service_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What services inherit: all but what steers the agent, above all its secret."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_OURS)}
    return {"PYTHONUNBUFFERED": "1", **kept}
