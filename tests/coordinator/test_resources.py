from typing import Any

import pytest

from coordinator.resources import UNSAID, Resources, fits, of_machine, size_mib


@pytest.mark.parametrize(
    ("text", "mib"),
    [
        ("62GB", 62 * 1024),
        ("62.6GB", 64102),
        ("24576 MiB", 24576),
        ("8 GiB", 8192),
        ("1TB", 1024**2),
        ("512m", 512),
        ("1048576", 1),
        ("0GB", 0),
        ("-1GB", None),
        ("much", None),
        ("9" * 400 + "GB", None),
        ("1e9GB", None),
        ("٣GB", None),
        (16, None),
        (None, None),
    ],
)
def test_sizes_as_agents_write_them(text: object, mib: int | None) -> None:
    assert size_mib(text) == mib


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"ram": "62GB", "gpu_memory": "24576 MiB", "cpu_cores": 16}, Resources(63488, 24576, 16)),
        ({"ram_gb": 16}, Resources(16384, UNSAID, UNSAID)),
        ({"ram": ["62GB"], "cpu_cores": "many", "ram_gb": True}, Resources(UNSAID, UNSAID, UNSAID)),
        ({"ram_gb": float("inf"), "cpu_cores": -1}, Resources(UNSAID, UNSAID, UNSAID)),
    ],
)
def test_what_a_machine_says_it_has(capabilities: dict[str, Any], expected: Resources) -> None:
    assert of_machine(capabilities) == expected


def test_what_is_not_said_is_enough() -> None:
    need = Resources(memory=1024, vram=8192)
    assert fits(need, Resources(UNSAID, 8192, UNSAID))
    assert not fits(need, Resources(UNSAID, 8191, UNSAID))
    assert not fits(need, Resources(512, UNSAID, UNSAID))
