"""Opening connections to workers: the only place of a request's way that awaits."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

from edgeproxy.errors import CONNECT_FAILED, CONNECT_TIMEOUT, OUT_OF_REACH, Fault
from edgeproxy.net.limits import Limits
from edgeproxy.net.pool import PooledConnection, take
from edgeproxy.net.resolve import OutOfReach, resolve
from edgeproxy.net.upstream import UpstreamConnection
from edgeproxy.policy.reach import OPERATOR, Reach
from edgeproxy.policy.retry import Stage
from edgeproxy.policy.worker import Worker
from edgeproxy.proxy.exchange import Exchange
from edgeproxy.proxy.forward import Forwarder

if TYPE_CHECKING:
    from edgeproxy.net.edge import Edge


class NetworkDialer:
    """Gives idle connections, and opens new ones; `edge` is set once both exist.
    `reach`: where workers may be that the operator has not named."""

    def __init__(self, reach: Reach = OPERATOR) -> None:
        self._reach = reach
        self.edge: Edge
        self._dials: set[asyncio.Task[None]] = set()
        self._tls = ssl.create_default_context()

    def idle(self, worker: Worker, exchange: Exchange) -> PooledConnection | None:
        return take(worker, self.edge.clock.now, exchange.idempotent or worker.lobby is not None)

    def dial(self, worker: Worker, exchange: Exchange, forwarder: Forwarder) -> None:
        if worker.lobby is not None:
            worker.lobby.wait(worker, exchange, forwarder)  # type: ignore[attr-defined]  # see Worker.lobby
            return
        task = self.edge.loop.create_task(self._dial(worker, exchange, exchange.attempt, forwarder))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    async def _dial(self, worker: Worker, exchange: Exchange, attempt: int, forwarder: Forwarder) -> None:
        outcome = await self._connect(worker)
        self.edge.clock.tick()
        if exchange.finished or exchange.attempt != attempt:
            if isinstance(outcome, UpstreamConnection):
                outcome.rest()
        elif isinstance(outcome, UpstreamConnection):
            forwarder.connected(exchange, outcome)
        else:
            forwarder.failed(exchange, outcome, Stage.NOTHING_SENT)

    async def _connect(self, worker: Worker) -> UpstreamConnection | Fault:
        edge = self.edge
        reach = OPERATOR if worker.named else self._reach
        try:
            # A TLS handshake is two more round trips, and work for the other side.
            async with asyncio.timeout(edge.limits.connect * (3 if worker.tls else 1)):
                for address in await resolve(edge.loop, worker.host, worker.port, reach):
                    connection = await self._connect_to(address, worker)
                    if connection is not None:
                        break
                else:
                    return CONNECT_FAILED
        except OutOfReach:
            return OUT_OF_REACH
        except TimeoutError:
            return CONNECT_TIMEOUT
        except (OSError, ValueError):  # ssl.SSLError is the one, a host that is no name the other
            return CONNECT_FAILED
        # It may have closed or spoken already, and then nobody will say so again.
        return CONNECT_FAILED if connection.transport.is_closing() else connection

    async def _connect_to(self, address: str, worker: Worker) -> UpstreamConnection | None:
        edge = self.edge
        try:
            _, connection = await edge.loop.create_connection(
                lambda: UpstreamConnection(edge, worker),  # type: ignore[type-var]  # has all methods, no base
                address,
                worker.port,
                **self._tls_options(worker, edge.limits),
            )
        except OSError:
            return None
        return connection

    def _tls_options(self, worker: Worker, limits: Limits) -> dict[str, Any]:
        """What is said goodbye to is not waited for longer than a refused client is: the loop would take 30 s."""
        if not worker.tls:
            return {}
        return {
            "ssl": self._tls,
            "server_hostname": worker.host,
            "ssl_handshake_timeout": limits.connect,
            "ssl_shutdown_timeout": limits.linger,
        }

    async def close(self) -> None:
        for task in list(self._dials):
            task.cancel()
        await asyncio.gather(*self._dials, return_exceptions=True)
