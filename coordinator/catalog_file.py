"""The catalogue from a TOML file (COORDINATOR_CATALOG), checked; errors are one line that names the field.

[services.llm-inference]
requires = "gpu"        # gpu, cpu, storage, edge; the tier follows, or is given as `tier`
port = 8105
priority = 1            # 1 is wanted first
minimum = 2             # below it there is a gap
desired = 4
maximum = 8
need = { vram = "8GiB", memory = "4GiB", cores = 2 }
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from coordinator.catalog import Catalog, Wanted
from coordinator.resources import Resources, size_mib
from edgeproxy.cluster.messages import MAX_SERVICES, Port, ServiceName, first_fault
from edgeproxy.cluster.services import TIERS, ServiceSpec, WorkerType
from edgeproxy.runtime.environment import ConfigurationError

MAX_FILE: Final = 256 * 1024  # bytes; 64 services take some 12 KiB
_MOST: Final = 100_000


def _mib(value: object) -> int:
    mib = size_mib(value)
    if mib is None:
        raise ValueError('must be a size such as "8GiB" or "512MiB"')
    return mib


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


Size = Annotated[int, BeforeValidator(_mib)]
Count = Annotated[int, Field(ge=0, le=_MOST)]


class _Need(_Row):
    memory: Size = 0
    vram: Size = 0
    cores: Annotated[int, Field(ge=0, le=4096)] = 0


class _Service(_Row):
    requires: WorkerType
    port: Port
    tier: int | None = None
    priority: Annotated[int, Field(ge=1, le=1000)] = 1
    minimum: Count = 2
    desired: Count | None = None
    maximum: Annotated[int, Field(ge=1, le=_MOST)] | None = None
    need: _Need = _Need()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.tier not in (None, TIERS[self.requires]):
            raise ValueError(f"tier must be {TIERS[self.requires]} where requires is {self.requires!r}")
        if not self.minimum <= self._desired() <= (self.maximum or _MOST):
            raise ValueError("minimum <= desired <= maximum does not hold")
        return self

    def _desired(self) -> int:
        return max(self.minimum, 1) if self.desired is None else self.desired

    def wanted(self, name: str) -> Wanted:
        need = Resources(self.need.memory, self.need.vram, self.need.cores)
        spec = ServiceSpec(name, self.requires, self.priority, self.port)
        return Wanted(spec, self.minimum, max(self._desired(), 1), self.maximum, need)


class _File(_Row):
    services: Annotated[Mapping[ServiceName, _Service], Field(min_length=1, max_length=MAX_SERVICES)]


def read_catalog(path: Path) -> Catalog:
    """The catalogue of a file; ConfigurationError says what is wrong with it."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
        if len(content) > MAX_FILE:
            raise ConfigurationError(f"COORDINATOR_CATALOG={path}: is longer than {MAX_FILE} bytes")
        parsed = _File.model_validate(tomllib.loads(content.decode()))
    except OSError as error:
        raise ConfigurationError(f"COORDINATOR_CATALOG={path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise ConfigurationError(f"COORDINATOR_CATALOG={path}: {first_fault(error)}") from None
    except ValueError as error:  # of TOML, and of UTF-8
        raise ConfigurationError(f"COORDINATOR_CATALOG={path}: is not TOML: {error}") from None
    return Catalog(service.wanted(name) for name, service in parsed.services.items())
