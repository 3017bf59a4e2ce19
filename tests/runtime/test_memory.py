"""The limit of a container counts, at every level."""

from pathlib import Path

import pytest

from edgeproxy.runtime.memory import usable_memory


@pytest.mark.parametrize(
    ("files", "own", "expected"),
    [
        ({}, "", 1000),
        ({"memory.max": "100\n"}, "0::/", 100),
        ({"memory.max": "max\n"}, "0::/", 1000),
        ({"a/b/memory.max": "max", "a/memory.max": "200"}, "0::/a/b", 200),
        ({"memory/x/memory.limit_in_bytes": "300"}, "4:memory:/x", 300),
        ({"memory/memory.limit_in_bytes": "9223372036854771712"}, "4:memory:/", 1000),
        ({"memory.max": "garbage"}, "nonsense", 1000),
    ],
)  # fmt: skip
def test_the_least_of_total_and_limits(tmp_path: Path, files: dict[str, str], own: str, expected: int) -> None:
    (tmp_path / "own").write_text(own)
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert usable_memory(1000, tmp_path / "cgroup", tmp_path / "own") == expected
