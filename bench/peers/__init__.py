"""Who is measured: one file a peer, its configuration beside it."""

from bench.peers.base import Peer, Site
from bench.peers.edge import Edge
from bench.peers.haproxy import HAProxy
from bench.peers.nginx import Nginx
from bench.peers.recipe import Recipe

ALL = (Edge(), Nginx(), Nginx(for_bulk=True), HAProxy(), HAProxy(for_bulk=True), Recipe())
PEERS: dict[str, Peer] = {peer.name: peer for peer in ALL}

__all__ = ["PEERS", "Peer", "Site"]
