"""The last list of coordinators that was good, on disk: the first link of the chain, and the one that never fails."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

import structlog

from edgeproxy.cluster.homes.directory import Directory
from edgeproxy.cluster.homes.trust import MAX_DOCUMENT, Untrusted

log = structlog.get_logger(__name__)

_MODE: Final = 0o600


def read(path: Path, roots: Collection[str]) -> Directory | None:
    """None if there is none, or none that is to be trusted: that is said, and not the end."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_DOCUMENT + 1)
        return Directory.open(data, roots)
    except FileNotFoundError:
        return None
    except (OSError, Untrusted) as error:
        log.warning("the list of coordinators on disk is not used", path=str(path), reason=str(error))
        return None


def write(path: Path, data: bytes) -> None:
    """Whole or not at all. What cannot be kept is said; we go on with what is in memory."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        log.warning("the list of coordinators cannot be kept", path=str(path), reason=error.strerror)
