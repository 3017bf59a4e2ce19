"""How many cores this process may use: affinity and the quota of its cgroups, not what the machine has."""

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def usable_cores(cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> int:
    """At least 1; a quota of 1.5 cores counts as 2."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for folder in folders(cgroups, own, "cpu") if (quota := _quota(folder)) is not None]
    return max(1, min([affinity, *(math.ceil(quota) for quota in quotas)]))


def folders(cgroups: Path, own: Path, controller: str) -> list[Path]:
    """Our cgroup and all above it, the least limit counts. v2 has one tree, v1 one a controller."""
    found = [cgroups, cgroups / controller]  # in a container the own group is mounted as the root
    for line in read(own).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "" or controller in controllers.split(","):
            root = cgroups if controllers == "" else cgroups / controller
            group = root / path.lstrip("/")
            found += [group, *(above for above in group.parents if above.is_relative_to(root))]
    return found


def _quota(folder: Path) -> float | None:
    """In cores; None where there is none."""
    fields = read(folder / "cpu.max").split()  # v2: "150000 100000" or "max 100000"
    if len(fields) != 2:  # v1: -1 is none
        fields = [read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
    try:
        quota, period = (int(field) for field in fields)
    except ValueError:
        return None
    return quota / period if quota > 0 and period > 0 else None


def read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
