"""How services are started: data, not code."""

import re
import shutil
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from coordinator.agent.detect import Facts
from edgeproxy.cluster.messages import MAX_TEXT, Port, ServiceName, first_fault
from edgeproxy.cluster.urls import path
from edgeproxy.runtime.environment import ConfigurationError

MAX_FILE: Final = 1024 * 1024
ADMIN_ABOVE: Final = 1000  # 9787 is the admin port beside 8787

PLACES: Final = frozenset({"python", "name", "host", "port", "admin_port", "coordinator_url", "api_key", "data"})
SECRETS: Final = frozenset({"api_key"})  # every user of the machine can read a command line
_PLACE: Final = re.compile(r"(?<!\$)\{([a-z_]+)\}")


def _places_are_known(text: str) -> str:
    for place in _PLACE.findall(text):
        if place not in PLACES:
            raise ValueError(f"{{{place}}} stands for nothing: use {', '.join(sorted(PLACES))}")
    return text


def _no_secret(text: str) -> str:
    if SECRETS.intersection(_PLACE.findall(text)):
        raise ValueError("a secret does not belong into a command line: give it in env")
    return text


def _health_path(text: str) -> str:
    return path(text) if text else ""


Template = Annotated[str, AfterValidator(_places_are_known)]
Word = Annotated[Template, AfterValidator(_no_secret)]
_SIZE: Final = re.compile(r"([0-9]{1,6})\s*(MiB|GiB|TiB)", re.IGNORECASE)
_UNITS: Final = {"mib": 1024**2, "gib": 1024**3, "tib": 1024**4}


def _size(value: object) -> object:
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if isinstance(value, str) and match is None:
        raise ValueError("must be a size such as 8GiB")
    return value if match is None else int(match[1]) * _UNITS[match[2].lower()]


Size = Annotated[int, BeforeValidator(_size), Field(ge=0)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service runs: what its templates are filled with. An empty `api_key` leaves its variable out."""

    host: str
    port: int
    coordinator_url: str
    api_key: str = ""
    data: str = "/data"


class Needs(BaseModel):
    """What a machine must have; `memory` of the machine and `gpu_memory` of its first GPU, in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gpu: bool = False
    cores: Annotated[int, Field(ge=0, le=4096)] = 0
    memory: Size = 0
    gpu_memory: Size = 0
    storage: Size = 0
    programs: Annotated[list[str], Field(max_length=16)] = []
    python: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]*$", max_length=200)] = ""

    def unmet(self, facts: Facts) -> str:
        """What is missing, in words; empty where all is there."""
        absent = [program for program in self.programs if shutil.which(program) is None]
        missing = [
            f"{' and '.join(absent)} in PATH" if absent else "",
            "a GPU" if self.gpu and not facts.gpus else "",
            f"{self.cores} cores" if facts.cpu_cores < self.cores else "",
            _lacks("memory", self.memory, facts.memory),
            _lacks("GPU memory", self.gpu_memory, max((gpu.bytes for gpu in facts.gpus), default=0)),
            _lacks("free storage", self.storage, facts.storage),
            f"the Python package {self.python}" if self.python and not _importable(self.python) else "",
        ]
        return ", ".join(filter(None, missing))


class ServiceDescription(BaseModel):
    """One `[services.NAME]`. `serves`: the service's name in the fleet, where it is not NAME. `port` None: the one in
    the coordinator's catalogue. `health_path` "": to accept a connection is health enough. `own_port`: users reach it
    at its own port where the machine can be reached, never by path. Timeouts in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: Annotated[list[Word], Field(min_length=1, max_length=256)]
    serves: ServiceName | None = None
    port: Port | None = None
    health_path: Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(_health_path)] = "/health"
    own_port: bool = False
    needs: Needs = Needs()
    start_timeout: Annotated[float, Field(gt=0, le=86400)] = 600.0
    stop_timeout: Annotated[float, Field(ge=0, le=3600)] = 10.0
    env: dict[Variable, Template] = {}

    def unmet(self, facts: Facts) -> str:
        """Why it cannot run on that machine, in words; empty where it can."""
        program = self.command[0]
        if "{" not in program and shutil.which(program) is None:
            return f"{program} is not installed, or not in PATH"
        missing = self.needs.unmet(facts)
        return f"the machine lacks {missing}" if missing else ""

    @property
    def keeps_data(self) -> bool:
        return any("{data}" in text for text in (*self.command, *self.env.values()))

    def argv(self, name: str, place: Place) -> list[str]:
        return [_filled(word, name, place) for word in self.command]

    def environment(self, name: str, place: Place, base: Mapping[str, str]) -> dict[str, str]:
        own = {variable: _filled(value, name, place) for variable, value in self.env.items()}
        return {**base, **{variable: value for variable, value in own.items() if value}}


Descriptions = Mapping[str, ServiceDescription]
_FILE: Final = TypeAdapter(dict[ServiceName, ServiceDescription])


def _lacks(what: str, wanted: int, there: int) -> str:
    return f"{wanted / 1024**3:.3g} GiB of {what} (it has {there / 1024**3:.3g})" if there < wanted else ""


def _importable(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def _filled(template: str, name: str, place: Place) -> str:
    values = {
        "python": sys.executable,
        "name": name,
        "host": place.host,
        "port": str(place.port),
        "admin_port": str(_admin_port(place.port)),
        "coordinator_url": place.coordinator_url,
        "api_key": place.api_key,
        "data": f"{place.data}/{name}",
    }
    return _PLACE.sub(lambda match: values[match[1]], template)


def _admin_port(port: int) -> int:
    return port + ADMIN_ABOVE if port + ADMIN_ABOVE <= 65535 else port - ADMIN_ABOVE


def load_descriptions(file: Path | None, allowed: Sequence[str] = ()) -> dict[str, ServiceDescription]:
    """The file's and the built-in ones, by their own names; of these the allowed (none named: all).
    ConfigurationError."""
    built_in = _parse("services.toml", files(__package__).joinpath("services.toml").read_bytes())
    known = _parse(f"AGENT_SERVICES_FILE={file}", _read(file)) if file is not None else {}
    known |= {name: description for name, description in built_in.items() if name not in known}
    for name in allowed:
        if name not in known and name not in {description.serves for description in known.values()}:
            raise ConfigurationError(
                f"AGENT_SERVICES names {name}, but how to start it is described nowhere: give AGENT_SERVICES_FILE"
            )
    return {
        name: description
        for name, description in known.items()
        if not allowed or name in allowed or description.serves in allowed
    }


def runnable_here(descriptions: Descriptions, facts: Facts) -> tuple[dict[str, ServiceDescription], dict[str, str]]:
    """By the service that it serves, the first description that this machine can run; and by its own name, why each
    other cannot."""
    chosen: dict[str, ServiceDescription] = {}
    reasons: dict[str, str] = {}
    for name, description in descriptions.items():
        service = description.serves or name
        if reason := description.unmet(facts):
            reasons[name] = reason
        elif service in chosen:
            reasons[name] = f"{service} is run another way already"
        else:
            chosen[service] = description
    return chosen, reasons


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE + 1)
    except OSError as error:
        raise ConfigurationError(f"AGENT_SERVICES_FILE={file}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_FILE:
        raise ConfigurationError(f"AGENT_SERVICES_FILE={file}: is longer than {MAX_FILE} bytes")
    return content


def _parse(source: str, content: bytes) -> dict[str, ServiceDescription]:
    try:
        document: dict[str, Any] = tomllib.loads(content.decode())
    except ValueError as error:  # no UTF-8, no TOML
        raise ConfigurationError(f"{source}: is not TOML: {error}") from None
    if other := document.keys() - {"services"}:
        raise ConfigurationError(f"{source}: {min(other)} means nothing here: describe services as [services.NAME]")
    try:
        return _FILE.validate_python(document.get("services", {}))
    except ValidationError as error:
        raise ConfigurationError(f"{source}: services.{first_fault(error)}") from None
