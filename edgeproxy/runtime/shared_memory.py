"""Memory that a supervisor shares with its children, by inheritance: no name that others could open."""

import os
import sys
import tempfile

MEMORY_FD = "RUNTIME_MEMORY_FD"


def create_memory(size: int) -> int:
    """The descriptor of `size` zero bytes."""
    if sys.platform.startswith("linux"):
        fd = os.memfd_create("edgeproxy", os.MFD_CLOEXEC)
    else:
        fd, path = tempfile.mkstemp()
        os.unlink(path)
    os.ftruncate(fd, size)
    return fd


def inherited_memory() -> int | None:
    """The descriptor that the supervisor passed, kept from what this process may itself start."""
    text = os.environ.get(MEMORY_FD, "")
    if not text:
        return None
    fd = int(text)
    os.set_inheritable(fd, False)
    return fd
