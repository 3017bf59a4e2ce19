from pathlib import Path

import pytest

from coordinator.identity.gate import Caller
from coordinator.settings import CoordinatorSettings, ReaderSettings, callers_from, variables_help
from edgeproxy.runtime.environment import ConfigurationError, load, reveal


def settings(**environ: str) -> CoordinatorSettings:
    return load(CoordinatorSettings, prefix="COORDINATOR_", flags={}, environ=environ)


def test_an_open_door_must_be_asked_for() -> None:
    with pytest.raises(ConfigurationError, match="set API_KEY, or COORDINATOR_HOST="):
        settings()
    with pytest.raises(ConfigurationError, match="reachable"):
        settings(COORDINATOR_HOST="192.168.1.5", API_KEY="")
    assert settings(API_KEY="k").host == "0.0.0.0"
    assert settings(COORDINATOR_OPEN="true").api_key is None
    for host in ("127.0.0.1", "::1", "localhost"):
        assert settings(COORDINATOR_HOST=host).port == 8080


def test_the_key_may_be_a_mounted_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    assert reveal(settings(API_KEY_FILE=str(tmp_path / "key")).api_key) == "s3cret"


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"COORDINATOR_PORT": "eighty"}, "COORDINATOR_PORT=eighty: must be an integer"),
        ({"COORDINATOR_PORT": "70000"}, "at most 65535"),
        ({"COORDINATOR_HEARTBEAT_INTERVAL": "0"}, "at least 0.1"),
        ({"COORDINATOR_PROT": "1"}, "did you mean COORDINATOR_PORT"),
    ],
)
def test_a_wrong_variable_is_named(environ: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        settings(API_KEY="k", **environ)


def test_the_readers_take_a_chain_and_refuse_nonsense() -> None:
    environ = {"COORDINATOR_URL": "http://a:1/, https://b"}
    assert load(ReaderSettings, prefix="COORDINATOR_", flags={}, environ=environ).url == "http://a:1,https://b"
    with pytest.raises(ConfigurationError, match="http:// or https://"):
        load(ReaderSettings, prefix="COORDINATOR_", flags={"url": "ftp://a"}, environ={})


def test_help_has_every_variable_with_its_default() -> None:
    text = variables_help(CoordinatorSettings)
    for variable in CoordinatorSettings.variables():
        assert f"{variable}: " in text
    assert "(default 0.0.0.0)" in text
    assert "(default 8080)" in text


HERE, LAN, WORLD = Caller("127.0.0.1", True), Caller("10.1.2.3", False), Caller("203.0.113.9", False)
PROXIED = Caller("10.1.2.3", False, direct=False)
MAPPED = Caller("::ffff:10.1.2.3", False)


@pytest.mark.parametrize(
    ("places", "accepted"),
    [
        (("loopback",), {HERE}),
        (("anywhere",), {HERE, LAN, WORLD, PROXIED, MAPPED}),
        (("nowhere",), set()),
        (("10.0.0.0/8",), {LAN, MAPPED}),  # not what a proxy there passes on
        (("loopback", "10.0.0.0/8", "2001:db8::/32"), {HERE, LAN, MAPPED}),
        (("127.0.0.0/8",), {HERE}),
    ],
)
def test_from_where_a_caller_may_ask(places: tuple[str, ...], accepted: set[Caller]) -> None:
    accepts = callers_from(places)
    assert {caller for caller in (HERE, LAN, WORLD, PROXIED, MAPPED) if accepts(caller)} == accepted
    assert not accepts(Caller("", False)) or "anywhere" in places  # a Unix socket has no address


def test_a_place_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError, match="COORDINATOR_USERS"):
        settings(API_KEY="k", COORDINATOR_USERS="loopback,here")
    assert settings(API_KEY="k").serves_users is None


def test_a_wrong_store_is_said_without_its_secret() -> None:
    with pytest.raises(ConfigurationError, match=r"SHARED_STORE_URL: its 2\. host is not") as error:
        settings(API_KEY="k", SHARED_STORE_URL="redis+sentinel://:s3cret@s1,:99/main")
    assert "s3cret" not in str(error.value)
    good = settings(API_KEY="k", SHARED_STORE_URL="valkey+sentinel://:s3cret@s1,s2/main")
    assert "s3cret" not in str(good)
