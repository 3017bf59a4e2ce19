"""What a machine has and a service needs: memory of the host, memory of the GPU, cores. Pure.

Agents say it in words of their own: `ram` "62GB" or "62.6GB", `ram_gb` 16, `gpu_memory` "24576 MiB",
`cpu_cores` 16. What a machine does not say is taken to be enough.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

_SIZE = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([KMGT]?)i?B?\s*", re.IGNORECASE | re.ASCII)
_MIB: Final = {"": 1 / 1024**2, "K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}
UNSAID: Final = -1


class Resources(NamedTuple):
    """Memory in MiB. Of a machine, -1 is "not said"; of a service, 0 is "next to nothing"."""

    memory: int = 0
    vram: int = 0
    cores: int = 0


NOTHING: Final = Resources()


def size_mib(text: object) -> int | None:
    """ "62GB", "24576 MiB", "8GiB" as MiB; None if it is no size. GB is read as GiB: that is what agents
    mean."""
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    return math.floor(float(match[1]) * _MIB[match[2].upper()])


def of_machine(capabilities: Mapping[str, Any]) -> Resources:
    ram = size_mib(capabilities.get("ram"))
    if ram is None and (gib := _number(capabilities.get("ram_gb"))) is not None:
        ram = math.floor(gib * 1024)
    cores = _number(capabilities.get("cpu_cores"))
    return Resources(
        UNSAID if ram is None else ram,
        UNSAID if (vram := size_mib(capabilities.get("gpu_memory"))) is None else vram,
        UNSAID if cores is None else math.floor(cores),
    )


def _number(value: object) -> float | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9
    return float(value) if fits else None  # type: ignore[arg-type]


def fits(need: Resources, machine: Resources) -> bool:
    """Whether there is room, where the machine says how much it has."""
    return all(has == UNSAID or wants <= has for wants, has in zip(need, machine, strict=True))
