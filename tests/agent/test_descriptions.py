"""How services are started is data; wrong data is told in one line."""

import sys
from pathlib import Path

import pytest

from coordinator.agent.descriptions import Place, load_descriptions
from edgeproxy.cluster.services import SERVICES
from edgeproxy.runtime.environment import ConfigurationError

PLACE = Place("10.1.2.3", 8787, "http://c:8080", "secret")


def described(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "services.toml"
    file.write_text(text)
    return file


def test_the_built_in_ones_are_in_the_catalogue() -> None:
    built_in = load_descriptions(None)
    assert {"edge-proxy", "load-balancer", "coordinator"} <= set(built_in)
    assert {description.serves or name for name, description in built_in.items()} <= SERVICES.keys()


def test_templates_are_filled() -> None:
    edge = load_descriptions(None)["edge-proxy"]
    assert edge.argv("edge-proxy", PLACE) == [sys.executable, "-m", "edgeproxy", "serve"]
    assert edge.environment("edge-proxy", PLACE, {"PATH": "/bin"}) == {
        "PATH": "/bin",
        "EDGEPROXY_HOST": "10.1.2.3",
        "EDGEPROXY_PORT": "8787",
        "EDGEPROXY_ADMIN_PORT": "9787",
        "COORDINATOR_URL": "http://c:8080",
        "API_KEY": "secret",
    }


def test_a_variable_without_value_is_left_out() -> None:
    edge = load_descriptions(None)["edge-proxy"]
    assert "API_KEY" not in edge.environment("edge-proxy", Place("h", 65000, "http://c"), {})
    assert edge.environment("edge-proxy", Place("h", 65000, "http://c"), {})["EDGEPROXY_ADMIN_PORT"] == "64000"


def test_a_file_adds_to_the_built_in_ones_and_wins(tmp_path: Path) -> None:
    file = described(
        tmp_path,
        '[services.edge-proxy]\ncommand = ["mine"]\n'
        """[services.x]\ncommand = ["sh", "-c", "echo ${home} '{\\"a\\": 1}' {name}"]\n""",
    )
    known = load_descriptions(file)
    assert set(known) == {*load_descriptions(None), "x"}
    assert known["edge-proxy"].command == ["mine"]
    assert known["x"].argv("x", PLACE)[2] == """echo ${home} '{"a": 1}' x"""  # other braces are not ours


def test_only_the_allowed_ones_count(tmp_path: Path) -> None:
    file = described(tmp_path, '[services.x]\ncommand = ["x"]\n')
    assert set(load_descriptions(file, ["x", "coordinator"])) == {"x", "coordinator"}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("services = ", "is not TOML: "),
        ("[service.x]\n", "service means nothing here: describe services as [services.NAME]"),
        ("[services.x]\n", "services.x.command: Field required"),
        ("[services.x]\ncommand = []\n", "services.x.command: List should have at least 1 item"),
        ('[services.x]\ncommand = "x y"\n', "services.x.command: Input should be a valid list"),
        ('[services.x]\ncommand = ["x"]\nprot = 1\n', "services.x.prot: Extra inputs are not permitted"),
        ('[services.x]\ncommand = ["x"]\nport = 99999\n', "services.x.port: Input should be less than"),
        ('[services.x]\ncommand = ["x", "{prot}"]\n', "services.x.command.1: Value error, {prot} stands for nothing"),
        ('[services.x]\ncommand = ["x", "{api_key}"]\n', "services.x.command.1: Value error, a secret does not belong"),
        ('[services.x]\ncommand = ["x"]\nhealth_path = "h"\n', "services.x.health_path: "),
        ('[services."a b"]\ncommand = ["x"]\n', "services.a b"),
        ('[services.x]\ncommand = ["x"]\nenv = { "A=B" = "1" }\n', "services.x.env.A=B"),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, text: str, wrong: str) -> None:
    file = described(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        load_descriptions(file)
    assert str(caught.value).startswith(f"AGENT_SERVICES_FILE={file}: {wrong}")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigurationError, match="AGENT_SERVICES_FILE=/no/such: cannot be read: No such file"):
        load_descriptions(Path("/no/such"))
