"""How much memory this process may use: the limits of its cgroups, not what the machine has."""

from pathlib import Path

from edgeproxy.runtime.cpu import CGROUPS, OWN_CGROUP, folders, read


def usable_memory(total: int, cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> int:
    """Bytes: of `total`, what our cgroup and those above it leave us."""
    limits = [limit for folder in folders(cgroups, own, "memory") if (limit := _limit(folder)) is not None]
    return min([total, *limits])


def _limit(folder: Path) -> int | None:
    """None where there is none; v1 says so with a number larger than any memory."""
    text = (read(folder / "memory.max") or read(folder / "memory.limit_in_bytes")).strip()
    return int(text) if text.isascii() and text.isdecimal() else None
