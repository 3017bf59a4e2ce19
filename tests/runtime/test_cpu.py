"""The quota of a container counts, at every level."""

import os
from pathlib import Path

import pytest

from edgeproxy.runtime.cpu import usable_cores

AFFINITY = len(os.sched_getaffinity(0))


def cores(root: Path, own: str, files: dict[str, str]) -> int:
    (root / "own").write_text(own)
    for name, text in files.items():
        path = root / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return usable_cores(root / "cgroup", root / "own")


@pytest.mark.parametrize(
    ("files", "own", "expected"),
    [
        ({}, "", AFFINITY),
        ({"cpu.max": "50000 100000"}, "0::/", 1),
        ({"cpu.max": "max 100000"}, "0::/", AFFINITY),
        ({"a/b/cpu.max": "max 100000", "a/cpu.max": "100000 100000"}, "0::/a/b", 1),
        ({"cpu/x/cpu.cfs_quota_us": "90000", "cpu/x/cpu.cfs_period_us": "100000"}, "4:cpu,cpuacct:/x", 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu:/", AFFINITY),
        ({"cpu.max": "garbage"}, "nonsense", AFFINITY),
        ({"cpu.max": "9900000 100000"}, "0::/", AFFINITY),
    ],
)  # fmt: skip
def test_the_least_of_affinity_and_quotas(tmp_path: Path, files: dict[str, str], own: str, expected: int) -> None:
    assert cores(tmp_path, own, files) == expected


def test_a_part_of_a_core_counts_as_one(tmp_path: Path) -> None:
    assert cores(tmp_path, "0::/", {"cpu.max": "150000 100000"}) == min(2, AFFINITY)
