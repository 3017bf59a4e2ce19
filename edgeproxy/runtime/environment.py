"""Settings from flags, environment and file, in that order, with errors that a person can act on.

A settings class declares the variable of each field by `validation_alias`:

    class ProxySettings(EnvironmentSettings):
        port: int = Field(8787, ge=0, le=65535, validation_alias="EDGEPROXY_PORT")

Every variable may be given as NAME_FILE as well: the path of a file that holds the value (a mounted secret).
An empty value counts as unset. Nothing is read when a class is built directly, so tests see no environment.
"""

import difflib
import os
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, NoReturn, TypeVar

from pydantic import BeforeValidator, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from edgeproxy.runtime.sockets import ListenError

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_NOT_STARTED = 3  # a child could not start
EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits.h
EXIT_INTERRUPTED = 130  # what a shell reports for Ctrl-C

MAX_FILE = 1024 * 1024  # bytes of a settings or secret file: the largest real one is a list of keys

_SECRET_WORDS = ("KEY", "SECRET", "TOKEN", "PASSWORD")


class ConfigurationError(Exception):
    """The settings are wrong: `str()` is one line that says what, and what to change. Exit code 78."""


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


CommaList = Annotated[tuple[str, ...], BeforeValidator(_split)]
"""`a, b` in the environment, a list in a TOML file."""


class EnvironmentSettings(BaseSettings):
    """Base of all settings. `known`: variables of other programs that have our prefix (with NAME_FILE)."""

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, extra="forbid", validate_default=True)
    known: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)  # `load` collects the rest: flags, NAME_FILE, and where each came from

    @classmethod
    def variables(cls) -> dict[str, str]:
        """The name of each variable with its field's name."""
        return {_variable(field, name): name for name, field in cls.model_fields.items()}


S = TypeVar("S", bound=EnvironmentSettings)


def load(
    cls: type[S],
    *,
    prefix: str | tuple[str, ...],
    flags: Mapping[str, object],
    environ: Mapping[str, str] = os.environ,
) -> S:
    """The settings, or ConfigurationError. `flags` are named as fields or variables; None is not given.

    `{prefix}CONFIG` (of several the first) names a TOML file whose keys are names of variables. Unknown names
    that begin with a prefix are an error, in the file any unknown name is.
    """
    config = (prefix if isinstance(prefix, str) else prefix[0]) + "CONFIG"
    names = {*cls.variables(), *cls.known, config}
    _refuse_unknown((name for name in environ if name.startswith(prefix)), names)
    path = environ.get(config)
    file = _read_toml(config, path) if path else {}
    _refuse_unknown(file, names)
    values: dict[str, _Value] = {}
    for variable, field in cls.variables().items():
        value = (
            _flag(flags, variable, field)
            or _from_mapping(environ, variable, names)
            or _from_mapping(file, variable, names, where=f" in {path}")
        )
        if value is not None:
            values[variable] = value
    try:
        given: dict[str, Any] = {variable: value.value for variable, value in values.items()}
        return cls(**given)
    except ValidationError as error:
        raise ConfigurationError(_one_line(error, cls, values)) from None


@dataclass(frozen=True, slots=True)
class _Value:
    """A value and what it is called where the user wrote it."""

    value: object
    name: str
    where: str = ""


def _variable(field: FieldInfo, name: str) -> str:
    return field.validation_alias if isinstance(field.validation_alias, str) else name.upper()


def _flag(flags: Mapping[str, object], variable: str, field: str) -> _Value | None:
    value = flags.get(field, flags.get(variable))
    return None if value is None else _Value(value, "--" + field.replace("_", "-"))


def _from_mapping(source: Mapping[str, Any], variable: str, names: set[str], where: str = "") -> _Value | None:
    value, by_file = source.get(variable, ""), variable + "_FILE"
    path = source.get(by_file, "") if by_file not in names else ""  # a setting of its own may be named X_FILE
    if path == "":
        return None if value == "" else _Value(value, variable, where)
    if value != "":
        raise ConfigurationError(f"{variable} and {by_file} are both set{where}: leave one")
    return _Value(_read_text(by_file, path).strip(), by_file, where)


def _read_text(variable: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_FILE + 1)
        text = content.decode()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "not a text in UTF-8"
        raise ConfigurationError(f"{variable}={path}: cannot be read: {reason}") from None
    if len(content) > MAX_FILE:
        raise ConfigurationError(f"{variable}={path}: is longer than {MAX_FILE} bytes")
    return text


def _read_toml(variable: str, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(_read_text(variable, path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{variable}={path}: is not TOML: {error}") from None


def _refuse_unknown(given: Iterable[str], names: set[str]) -> None:
    for name in given:
        if name not in names and name.removesuffix("_FILE") not in names:
            near = difflib.get_close_matches(name, sorted(names), n=1)
            hint = f"did you mean {near[0]}?" if near else "remove it"
            raise ConfigurationError(f"{name} is not a setting: {hint}")


def _one_line(error: ValidationError, cls: type[EnvironmentSettings], values: Mapping[str, _Value]) -> str:
    faults: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        name = str(detail["loc"][0]) if detail["loc"] else ""
        variable = {field: variable for variable, field in cls.variables().items()}.get(name, name)
        faults.setdefault(variable, _fault(detail, cls, variable, values.get(variable)))
    return "; ".join(faults.values())


def _fault(detail: ErrorDetails, cls: type[EnvironmentSettings], variable: str, value: _Value | None) -> str:
    wrong = _what_is_wrong(detail)
    if not variable:
        return wrong
    if value is None:
        return f"{variable}: {wrong}"
    if value.name.endswith("_FILE") or _is_secret(cls, variable):
        return f"{value.name}{value.where}: {wrong}"
    shown = ",".join(map(str, value.value)) if isinstance(value.value, list | tuple) else str(value.value)
    return f"{value.name}={shown[:100]}{value.where}: {wrong}"


def _is_secret(cls: type[EnvironmentSettings], variable: str) -> bool:
    annotation = cls.model_fields[name].annotation if (name := cls.variables().get(variable)) else None
    return "SecretStr" in repr(annotation) or any(word in variable for word in _SECRET_WORDS)


def _what_is_wrong(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return "is required: set it"
        case "int_parsing" | "int_type" | "int_from_float":
            return "must be an integer"
        case "float_parsing" | "float_type":
            return "must be a number"
        case "bool_parsing" | "bool_type":
            return "must be true or false"
        case "greater_than_equal":
            return f"must be at least {context['ge']}"
        case "greater_than":
            return f"must be more than {context['gt']}"
        case "less_than_equal":
            return f"must be at most {context['le']}"
        case "literal_error" | "enum":
            return f"must be one of {str(context['expected']).replace(chr(39), '').replace(' or ', ', ')}"
        case "value_error":
            return str(context["error"])
    return detail["msg"][:1].lower() + detail["msg"][1:]


def reveal(secret: SecretStr | None) -> str | None:
    """The text of a secret that may be unset."""
    return None if secret is None else secret.get_secret_value()


def run_or_exit(main: Callable[[], int]) -> NoReturn:
    """Run a program's main and leave with its exit code; what the user can mend is one line on stderr."""
    try:
        code = main()
    except ConfigurationError as error:
        code = _complain(error, EXIT_CONFIGURATION)
    except ListenError as error:
        code = _complain(error, EXIT_FAILURE)
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    raise SystemExit(code)


def _complain(error: Exception, code: int) -> int:
    print(f"error: {error}", file=sys.stderr, flush=True)
    return code
