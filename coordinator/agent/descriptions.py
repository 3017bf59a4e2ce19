"""How services are started: data, not code."""

import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from edgeproxy.cluster.messages import HealthPath, Port, ServiceName, first_fault
from edgeproxy.runtime.environment import ConfigurationError

MAX_FILE: Final = 1024 * 1024
ADMIN_ABOVE: Final = 1000  # 9787 is the admin port beside 8787

PLACES: Final = frozenset({"python", "name", "host", "port", "admin_port", "coordinator_url", "api_key"})
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


Template = Annotated[str, AfterValidator(_places_are_known)]
Word = Annotated[Template, AfterValidator(_no_secret)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service runs: what its templates are filled with. An empty `api_key` leaves its variable out."""

    host: str
    port: int
    coordinator_url: str
    api_key: str = ""


class ServiceDescription(BaseModel):
    """One `[services.NAME]`. `port` None: the one in the coordinator's catalogue. Timeouts in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: Annotated[list[Word], Field(min_length=1, max_length=256)]
    port: Port | None = None
    health_path: HealthPath = "/health"
    start_timeout: Annotated[float, Field(gt=0, le=86400)] = 600.0
    stop_timeout: Annotated[float, Field(ge=0, le=3600)] = 10.0
    env: dict[Variable, Template] = {}

    def argv(self, name: str, place: Place) -> list[str]:
        return [_filled(word, name, place) for word in self.command]

    def environment(self, name: str, place: Place, base: Mapping[str, str]) -> dict[str, str]:
        own = {variable: _filled(value, name, place) for variable, value in self.env.items()}
        return {**base, **{variable: value for variable, value in own.items() if value}}


Descriptions = Mapping[str, ServiceDescription]
_FILE: Final = TypeAdapter(dict[ServiceName, ServiceDescription])


def _filled(template: str, name: str, place: Place) -> str:
    values = {
        "python": sys.executable,
        "name": name,
        "host": place.host,
        "port": str(place.port),
        "admin_port": str(_admin_port(place.port)),
        "coordinator_url": place.coordinator_url,
        "api_key": place.api_key,
    }
    return _PLACE.sub(lambda match: values[match[1]], template)


def _admin_port(port: int) -> int:
    return port + ADMIN_ABOVE if port + ADMIN_ABOVE <= 65535 else port - ADMIN_ABOVE


def load_descriptions(file: Path | None, allowed: Sequence[str] = ()) -> dict[str, ServiceDescription]:
    """The built-in ones and the file's, which win; of these the allowed (none named: all). ConfigurationError."""
    known = _parse("services.toml", files(__package__).joinpath("services.toml").read_bytes())
    if file is not None:
        known |= _parse(f"AGENT_SERVICES_FILE={file}", _read(file))
    for name in allowed:
        if name not in known:
            raise ConfigurationError(
                f"AGENT_SERVICES names {name}, but how to start it is described nowhere: give AGENT_SERVICES_FILE"
            )
    return {name: known[name] for name in known if not allowed or name in allowed}


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
