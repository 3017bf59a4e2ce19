"""A client of the shared store, and limits by it. What fails is said at once and once: who asks has a way without the
store, and must learn that a connection was lost, since another server may answer on the next one."""

from __future__ import annotations

from typing import Any, Final, cast

from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError

from edgeproxy.cluster.store.url import StoreUrl

Client = Redis | RedisCluster

FAILURES: Final = (RedisError, RedisClusterException, OSError, TimeoutError)
"""What a client raises when there is no answer."""
PREFIX: Final = "edgeproxy"
SHORTEST: Final = 0.05
"""Seconds for a sentinel's answer, however many there are."""


class _Led(Redis):
    """Of the primary that sentinels name. It ends their connections too."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        await cast(Any, self.connection_pool).sentinel_manager.aclose()


class _Cluster(RedisCluster):
    """One that ends all its connections: those to the named nodes, and what a failure left half begun."""

    async def aclose(self) -> None:
        await super().aclose()
        for kept in ("nodes_cache", "startup_nodes"):
            await self.nodes_manager.aclose(kept)


def connect(where: StoreUrl, patience: float, at_once: int, blocks: float = 0.0) -> Client:
    """No connection is made before it is asked. `patience`: seconds for an answer; `blocks`: seconds that the longest
    question waits in the server by intention; `at_once`: connections, of a cluster to each node."""
    options = {
        "socket_timeout": patience + blocks,
        "socket_connect_timeout": patience,
        "max_connections": at_once,
        "retry": Retry(NoBackoff(), 0),
        **where.user,
        **({} if where.tls is None else {"ssl": True, **where.tls}),
    }
    if where.kind == "sentinel":
        return _by_sentinels(where, patience, options)
    if where.kind == "cluster":
        # the nodes that the operator named remain whom we ask, whatever addresses the cluster has had since; of all
        # slots we need a few
        nodes = [ClusterNode(host, port) for host, port in where.hosts]
        return _Cluster(
            startup_nodes=nodes, dynamic_startup_nodes=False, require_full_coverage=False, **cast(Any, options)
        )
    if where.kind == "unix":
        return Redis(unix_socket_path=where.path, db=where.database, **cast(Any, options))
    (host, port), *_ = where.hosts
    return Redis(host=host, port=port, db=where.database, **cast(Any, options))


def _by_sentinels(where: StoreUrl, patience: float, options: dict[str, Any]) -> Client:
    """Sentinels are asked one after the other: one that is silent leaves time for the rest, and for the primary."""
    share = max(SHORTEST, patience / (len(where.hosts) + 1))
    theirs = {key: value for key, value in options.items() if key == "retry" or key.startswith("ssl")}
    theirs |= {"socket_timeout": share, "socket_connect_timeout": share, **where.sentinel_user}
    sentinel = Sentinel(where.hosts, sentinel_kwargs=theirs, **options)  # type: ignore[no-untyped-call]
    return cast(Redis, sentinel.master_for(where.name, redis_class=_Led, db=where.database))


class _Storage(RedisStorage):
    """The library's own, with our client."""

    def __init__(self, client: Client) -> None:
        self._client = client
        super().__init__("redis://", implementation="redispy", key_prefix=PREFIX)

    def configure_bridge(self) -> None:
        bridge: Any = self.bridge
        bridge.storage = self._client
        bridge.connection_getter = lambda _readonly: self._client


def limiter(client: Client) -> SlidingWindowCounterRateLimiter:
    """Each limit is of one slot of a cluster: the library puts its keys into braces."""
    return SlidingWindowCounterRateLimiter(_Storage(client))
