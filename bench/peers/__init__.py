"""Who is measured: one file a peer, its configuration beside it."""

from bench.peers.base import API_KEY, Peer, Setup, Site
from bench.peers.edge import Edge, lacks
from bench.peers.haproxy import HAProxy
from bench.peers.nginx import Nginx
from bench.peers.node import Node
from bench.peers.recipe import Recipe
from bench.peers.varnish import Varnish
from bench.peers.wheels import Caddy, Envoy

ALL = (
    Edge(),
    Nginx(),
    Nginx(large_buffers=True),
    HAProxy(),
    HAProxy(large_buffers=True),
    Caddy(),
    Envoy(),
    Varnish(),
    Node(),
    Recipe(),
)
PEERS: dict[str, Peer] = {peer.name: peer for peer in ALL}

__all__ = ["API_KEY", "PEERS", "Peer", "Setup", "Site", "lacks"]
