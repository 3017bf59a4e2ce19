"""What an agent is made of, put together: membership, services, the way to them."""

import secrets
import socket
from collections.abc import Coroutine
from typing import Any

import aiohttp

from coordinator.agent.cloudflared import Cloudflared
from coordinator.agent.descriptions import Descriptions
from coordinator.agent.edges import Edges
from coordinator.agent.expose import Direct, Exposure, Given, Reverse, Tunnel, Way, gateway_bind
from coordinator.agent.membership import Membership
from coordinator.agent.place import LOOPBACK, service_environment
from coordinator.agent.reverse import ReverseDial
from coordinator.agent.services import Services
from coordinator.agent.settings import AgentSettings
from edgeproxy.cluster.client import CoordinatorClient
from edgeproxy.gateway import Gateway
from edgeproxy.runtime.environment import reveal
from edgeproxy.runtime.sockets import listen


class Machine:
    """One lent machine. `parts()` are its tasks while it is lent; `leave()` when they have ended."""

    def __init__(
        self,
        settings: AgentSettings,
        descriptions: Descriptions,
        client: CoordinatorClient,
        session: aiohttp.ClientSession,
        gateway: Gateway,
    ) -> None:
        self._settings = settings
        self._gateway = gateway
        self._listener: socket.socket | None = None  # the gateway's, until it serves
        self._token = secrets.token_urlsafe(32)
        self._edges = Edges(client, settings.edges)
        self._dial = ReverseDial(gateway, self._token, lambda: self._edges.urls)
        self._exposure = Exposure(settings, self._make_way)
        self._services = Services(
            self._exposure.site_of, self._exposure.service_url, service_environment(), session, self._changed
        )
        self._membership = Membership(
            settings, descriptions, client, self._services, self._exposure, self._edges, self._token
        )

    def parts(self) -> list[Coroutine[Any, Any, None]]:
        return [self._membership.live(), self._services.follow(), self._expose(), self._edges.run()]

    async def leave(self, hurry: bool) -> None:
        """Nothing new from now on; what is under way may end. In a hurry services have no more than `drain`."""
        await self._membership.leave()
        await self._gateway.drain(self._settings.drain)
        if self._exposure.way is not None:
            await self._exposure.way.close()
        await self._services.stop(self._settings.drain if hurry else None)

    def kill(self) -> None:
        """Now."""
        self._services.kill()

    def wake_dial(self) -> None:
        """A request has taken one of our connections."""
        self._dial.wake()

    async def _expose(self) -> None:
        await self._membership.joined.wait()
        way = self._exposure.way
        assert way is not None
        if self._listener is not None:
            listener, self._listener = self._listener, None
            await self._gateway.listen(listener)
        assert self._membership.worker_id is not None
        await way.run(self._membership.worker_id)

    def _make_way(self, kind: str) -> Way:
        """ListenError where the gateway's port is taken."""
        settings, site = self._settings, self._exposure.site
        assert site is not None
        bind = gateway_bind(kind, settings, site)
        if bind is not None:
            self._listener = listen(bind, 1)[0]
        if kind == "given":
            return Given(settings.tunnel or "", by_path=settings.port is not None)
        if kind == "reverse":
            return Reverse(self._dial, self._changed)
        return self._new_tunnel() if kind == "tunnel" else Direct(site.address, settings.port)

    def _new_tunnel(self) -> Tunnel:
        settings = self._settings
        assert self._listener is not None
        target = f"http://{LOOPBACK}:{self._listener.getsockname()[1]}"
        return Tunnel(
            Cloudflared(
                settings.cloudflared,
                target,
                service_environment(),
                self._moved,
                token=reveal(settings.tunnel_token),
                named_url=settings.tunnel_url,
            )
        )

    def _moved(self) -> None:
        """The machine's own URL is another one."""
        self._membership.register_again()
        self._changed()

    def _changed(self) -> None:
        """What runs here, or where it is reached: the gateway first, then the coordinator."""
        self._gateway.serve(self._services.local_urls())
        self._membership.wake()
