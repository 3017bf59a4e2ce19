"""How users' requests reach the services of this machine: one way, chosen once the coordinator has answered.

In the owner's order of preference (AGENT_EXPOSE): `direct`, which the coordinator has tried by dialling back;
`reverse`, over connections that we open to the edges; `tunnel`, by Cloudflare. A TUNNEL_URL of the owner's goes before
all of them. Behind all but the plainest direct way stands the gateway, which has all services by path.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import structlog

from coordinator.agent.cloudflared import Cloudflared, is_installed
from coordinator.agent.descriptions import ServiceDescription
from coordinator.agent.place import LOOPBACK, Site
from coordinator.agent.reverse import ReverseDial
from coordinator.agent.settings import AgentSettings
from edgeproxy.cluster.messages import DialBackAnswer
from edgeproxy.runtime.sockets import Bind

NOBODY: Final = "no way to this machine works"

log = structlog.get_logger(__name__)


class Way:
    """One way. `by_path`: services are behind the gateway, and need be reached on this machine only."""

    kind: str
    by_path = True
    machine_url: str | None = None

    def service_url(self, name: str, port: int) -> str | None:
        """None while it does not stand."""
        raise NotImplementedError

    async def run(self, worker_id: str) -> None:
        """Keep it up until cancelled."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing goes this way any more."""

    @property
    def capabilities(self) -> dict[str, Any]:
        """What the fleet should know of it."""
        return {"exposure": self.kind}


class Direct(Way):
    """Services at their own ports, or all at one."""

    kind = "direct"

    def __init__(self, address: str, port: int | None) -> None:
        self._address = address
        self._port = port
        self.by_path = port is not None
        self.machine_url = None if port is None else f"http://{Bind(address, port)}"

    def service_url(self, name: str, port: int) -> str:
        return f"http://{Bind(self._address, port)}" if self._port is None else f"{self.machine_url}/service/{name}"


class Given(Way):
    """The owner's own tunnel or port forward: with `{name}` or `{port}` one URL a service, else one for all."""

    kind = "given"

    def __init__(self, template: str, by_path: bool) -> None:
        self._template = template
        self.by_path = by_path
        self.machine_url = None if "{" in template else template

    def service_url(self, name: str, port: int) -> str:
        url = self._template.replace("{name}", name).replace("{port}", str(port))
        return f"{url}/service/{name}" if self.by_path else url


class Reverse(Way):
    """Over connections that we open."""

    kind = "reverse"

    def __init__(self, dial: ReverseDial, on_change: Callable[[], None]) -> None:
        self._dial = dial
        self._on_change = on_change
        self._machine = ""

    def service_url(self, name: str, port: int) -> str | None:
        return f"reverse://{self._machine}/service/{name}" if self._machine else None

    async def run(self, worker_id: str) -> None:
        self._machine = worker_id
        self._on_change()
        await self._dial.run(worker_id)


class Tunnel(Way):
    """Through Cloudflare."""

    kind = "tunnel"

    def __init__(self, program: Cloudflared) -> None:
        self._program = program

    @property
    def machine_url(self) -> str | None:  # type: ignore[override]  # it changes with the program's
        return self._program.url

    def service_url(self, name: str, port: int) -> str | None:
        return f"{self._program.url}/service/{name}" if self._program.url else None

    async def run(self, worker_id: str) -> None:
        await self._program.start()
        await asyncio.Event().wait()

    async def close(self) -> None:
        await self._program.stop()

    @property
    def capabilities(self) -> dict[str, Any]:
        return {"exposure": self.kind, "tunnel_limits": self._program.limits}


def reasons_against(settings: AgentSettings, seen: DialBackAnswer, edges: list[str]) -> dict[str, str]:
    """Of each way that the owner allows, in his order, why it does not work here; empty where it may."""
    against = {
        "direct": f"the coordinator cannot reach {seen.address or 'us'}: {seen.reason}"
        if seen.reachable is False
        else "",
        "reverse": "" if edges else "no edge proxy is known: set AGENT_EDGES",
        "tunnel": _against_tunnel(settings),
    }
    return {kind: against[kind] for kind in settings.expose}


def _against_tunnel(settings: AgentSettings) -> str:
    if not settings.use_tunnel:
        return "USE_TUNNEL is false"
    if not is_installed(settings.cloudflared):
        return f"{settings.cloudflared} is not installed, or not in PATH"
    return "TUNNEL_TOKEN is set and TUNNEL_URL is not" if settings.tunnel_token and not settings.tunnel_url else ""


class Exposure:
    """The way that was chosen; before that, services have no URL."""

    def __init__(self, settings: AgentSettings, make: Callable[[str], Way]) -> None:
        self._settings = settings
        self._make = make
        self.way: Way | None = None
        self.site: Site | None = None

    def choose(self, site: Site, seen: DialBackAnswer, edges: list[str]) -> Way:
        """Once; where none works, the last one is taken, since it may work later."""
        self.site = site
        if self.way is None:
            self.way = self._make(self._kind(seen, edges))
            log.info("exposed", way=self.way.kind, by_path=self.way.by_path)
        return self.way

    def _kind(self, seen: DialBackAnswer, edges: list[str]) -> str:
        if self._settings.tunnel and not self._settings.tunnel_token:
            return "given"
        against = reasons_against(self._settings, seen, edges)
        for kind, reason in against.items():
            if not reason:
                return kind
            log.info("not exposed this way", way=kind, reason=reason)
        kind = next((kind for kind in ("reverse", "direct", "tunnel") if kind in against), "direct")
        log.warning(NOBODY, tried=sorted(against), goes_on_with=kind)
        return kind

    def site_of(self, description: ServiceDescription) -> Site:
        """Where a service of that description listens."""
        assert self.site is not None
        return self.site.on_loopback() if self._by_path(description) and self._settings.host is None else self.site

    def service_url(self, name: str, port: int, description: ServiceDescription) -> str | None:
        if self.way is None or self.site is None:
            return None
        if self.way.by_path and not self._by_path(description):
            return f"http://{Bind(self.site.address, port)}"
        return self.way.service_url(name, port)

    def _by_path(self, description: ServiceDescription) -> bool:
        way = self.way
        return way is not None and way.by_path and not (description.own_port and way.kind == "direct")

    @property
    def machine_url(self) -> str | None:
        return self.way.machine_url if self.way else None

    @property
    def capabilities(self) -> dict[str, Any]:
        return self.way.capabilities if self.way else {}


def gateway_bind(way: str, settings: AgentSettings, site: Site) -> Bind | None:
    """Where the gateway listens for that way; None where nobody connects to it."""
    if way in ("direct", "given"):
        return Bind(site.bind, settings.port) if settings.port else None
    return Bind(LOOPBACK, settings.port or 0) if way == "tunnel" else None
