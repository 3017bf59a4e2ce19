"""The client of an agent or an edge, as its variables say: of a federation where COORDINATOR_TRUST is set."""

import os
from collections.abc import Sequence
from pathlib import Path

from edgeproxy.cluster.client import CoordinatorClient, base_urls
from edgeproxy.cluster.homes.account import Account
from edgeproxy.cluster.homes.client import HomesClient
from edgeproxy.cluster.homes.finder import Finder
from edgeproxy.cluster.signer import Signer


def client_of(
    urls: str | Sequence[str],
    api_key: str | None,
    *,
    who: str,
    roots: Sequence[str] = (),
    path: Path | None = None,
    signer: Signer | None = None,
    timeout: float = 5.0,
    kv: Account | None = None,
) -> CoordinatorClient:
    """`who` tells one machine from the other in a herd. ValueError for a wrong URL."""
    if not roots:
        return CoordinatorClient(urls, api_key, timeout, signer)
    seeds = base_urls(urls if isinstance(urls, str) else ",".join(urls))
    finder = Finder(who, seeds, frozenset(roots), path or default_path())
    return HomesClient(finder, api_key, signer, kv=kv)


def default_path() -> Path:
    """Where systemd lets us write, else where programs of this user keep their state."""
    if directory := os.environ.get("STATE_DIRECTORY"):
        return Path(directory.partition(":")[0]) / "coordinators.json"
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(state) / "edgeproxy" / "coordinators.json"
