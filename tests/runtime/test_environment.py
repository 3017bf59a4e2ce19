"""Settings: where a value comes from, and what the user is told."""

from pathlib import Path
from typing import ClassVar, Literal

import pytest
from pydantic import Field, SecretStr, field_validator

from edgeproxy.runtime.environment import (
    CommaList,
    ConfigurationError,
    EnvironmentSettings,
    load,
    reveal,
    run_or_exit,
)
from edgeproxy.runtime.sockets import Bind, ListenError


class Settings(EnvironmentSettings):
    known: ClassVar[frozenset[str]] = frozenset({"APP_OF_A_FRIEND"})

    port: int = Field(8787, ge=0, le=65535, validation_alias="APP_PORT")
    ratio: float = Field(0.5, gt=0, validation_alias="APP_RATIO")
    open: bool = Field(False, validation_alias="APP_OPEN")
    balance: Literal["round_robin", "least_request"] = Field("round_robin", validation_alias="APP_BALANCE")
    upstreams: CommaList = Field((), validation_alias="APP_UPSTREAMS")
    api_key: SecretStr | None = Field(None, min_length=8, validation_alias="API_KEY")
    things: str = Field("", validation_alias="APP_THINGS")
    things_file: str = Field("", validation_alias="APP_THINGS_FILE")

    @field_validator("upstreams")
    @classmethod
    def _urls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for url in value:
            if "://" not in url:
                raise ValueError(f"{url} must begin with http://")
        return value


def settings(environ: dict[str, str] | None = None, **flags: object) -> Settings:
    return load(Settings, prefix="APP_", flags=flags, environ=environ or {})


def complaint(environ: dict[str, str], **flags: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        settings(environ, **flags)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_flag_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    file = tmp_path / "app.toml"
    file.write_text("APP_PORT = 1\nAPP_RATIO = 0.1\nAPP_OPEN = true\n")
    got = settings({"APP_CONFIG": str(file), "APP_PORT": "2", "APP_RATIO": "0.2"}, port=3, ratio=None)
    assert (got.port, got.ratio, got.open) == (3, 0.2, True)


def test_nothing_is_read_when_settings_are_built_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_PORT", "1")
    assert Settings().port == 8787
    assert Settings(port=5).port == 5


def test_an_empty_value_counts_as_unset(tmp_path: Path) -> None:
    file = tmp_path / "app.toml"
    file.write_text('APP_PORT = 1\nAPI_KEY = ""\n')
    got = settings({"APP_CONFIG": str(file), "APP_PORT": "", "API_KEY": ""})
    assert (got.port, got.api_key) == (1, None)


def test_a_comma_list_in_the_environment_is_a_list_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "app.toml"
    file.write_text('APP_UPSTREAMS = ["http://a", "http://b"]\n')
    from_file = settings({"APP_CONFIG": str(file)}).upstreams
    assert from_file == settings({"APP_UPSTREAMS": " http://a, http://b,"}).upstreams == ("http://a", "http://b")


def test_a_secret_is_read_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("correct horse\n")
    assert reveal(settings({"API_KEY_FILE": str(secret)}).api_key) == "correct horse"


def test_a_setting_may_itself_be_named_as_a_file() -> None:
    got = settings({"APP_THINGS_FILE": "/no/such/file", "APP_THINGS": "a"})
    assert (got.things, got.things_file) == ("a", "/no/such/file")


def test_a_secret_file_that_cannot_be_read_is_named() -> None:
    assert complaint({"API_KEY_FILE": "/no/such"}) == (
        "API_KEY_FILE=/no/such: cannot be read: No such file or directory"
    )


def test_value_and_file_together_are_refused(tmp_path: Path) -> None:
    assert complaint({"API_KEY": "x" * 9, "API_KEY_FILE": "/x"}) == ("API_KEY and API_KEY_FILE are both set: leave one")


def test_an_unknown_variable_with_the_prefix_gets_a_hint() -> None:
    assert complaint({"APP_PROT": "1"}) == "APP_PROT is not a setting: did you mean APP_PORT?"
    assert complaint({"APP_ZZZZZZZZ": "1"}) == "APP_ZZZZZZZZ is not a setting: remove it"
    assert settings({"APP_OF_A_FRIEND": "1", "OTHER": "1"}).port == 8787


def test_an_unknown_key_in_the_file_is_refused_whatever_its_prefix(tmp_path: Path) -> None:
    file = tmp_path / "app.toml"
    file.write_text('API_KYE = "x"\n')
    assert complaint({"APP_CONFIG": str(file)}) == "API_KYE is not a setting: did you mean API_KEY?"


@pytest.mark.parametrize(
    ("variable", "value", "wrong"),
    [
        ("APP_PORT", "abc", "must be an integer"),
        ("APP_PORT", "70000", "must be at most 65535"),
        ("APP_PORT", "-1", "must be at least 0"),
        ("APP_RATIO", "x", "must be a number"),
        ("APP_RATIO", "0", "must be more than 0.0"),
        ("APP_OPEN", "perhaps", "must be true or false"),
        ("APP_BALANCE", "random", "must be one of round_robin, least_request"),
        ("APP_UPSTREAMS", "ftp", "ftp must begin with http://"),
    ],
)
def test_a_wrong_value_is_shown_with_what_is_wrong(variable: str, value: str, wrong: str) -> None:
    assert complaint({variable: value}) == f"{variable}={value}: {wrong}"


def test_all_wrong_values_are_told_at_once_and_where_they_are(tmp_path: Path) -> None:
    file = tmp_path / "app.toml"
    file.write_text('APP_RATIO = "x"\n')
    environ = {"APP_CONFIG": str(file), "APP_OPEN": "perhaps"}
    assert complaint(environ, port="abc") == (
        f"--port=abc: must be an integer; APP_RATIO=x in {file}: must be a number; "
        "APP_OPEN=perhaps: must be true or false"
    )


def test_a_secret_is_never_shown() -> None:
    told = complaint({"API_KEY": "hunter2"})
    assert told.startswith("API_KEY: ")
    assert "hunter2" not in told


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "app.toml"
    file.write_text("APP_PORT = = 1\n")
    assert complaint({"APP_CONFIG": str(file)}).startswith(f"APP_CONFIG={file}: is not TOML: ")


def test_a_long_value_is_not_shown_whole() -> None:
    assert len(complaint({"APP_PORT": "x" * 100_000})) < 200


def fail(error: BaseException) -> int:
    raise error


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigurationError("APP_PORT=x: must be an integer"), 78, "error: APP_PORT=x: must be an integer\n"),
        (ListenError(Bind("::", 80), OSError(98, "in use")), 1, "error: cannot listen on [::]:80: "),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_an_exit_code(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        run_or_exit(lambda: fail(error))
    told = capsys.readouterr().err
    assert left.value.code == code
    assert told.startswith(line)
    assert told.count("\n") <= 1


def test_the_exit_code_of_main_is_kept() -> None:
    with pytest.raises(SystemExit) as left:
        run_or_exit(lambda: 3)
    assert left.value.code == 3
