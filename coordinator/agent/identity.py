"""The worker's key: made at the first start, kept in a file, so that the machine stays itself."""

import os
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from coordinator.agent.settings import AgentSettings
from edgeproxy.cluster.signer import Signer, load_key
from edgeproxy.runtime.environment import ConfigurationError

log = structlog.get_logger(__name__)


def signer_of(settings: AgentSettings) -> Signer:
    """ConfigurationError if the file that was named is of no use; where none was named, a key for this run does."""
    try:
        key = load_key(settings.identity or default_path())
    except (OSError, ValueError) as error:
        if settings.identity is not None:
            raise ConfigurationError(f"AGENT_IDENTITY: {error}") from None
        log.warning("the worker's key is for this run only: set AGENT_IDENTITY to a file", reason=str(error))
        key = Ed25519PrivateKey.generate()
    try:
        return Signer(key, settings.coordinator_key)
    except ValueError:
        raise ConfigurationError("COORDINATOR_KEY is no key: take the one that /v1/coordinator shows") from None


def default_path() -> Path:
    """Where systemd lets us write, else where programs of this user keep their state."""
    if directory := os.environ.get("STATE_DIRECTORY"):
        return Path(directory.partition(":")[0]) / "agent.key"
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(state) / "edgeproxy" / "agent.key"
