import tomllib
from pathlib import Path

import pytest

from coordinator.demo import fleet
from coordinator.demo.fleet import Ports

PORTS = Ports(edge=18110, balancer=18111, coordinator=18112)


def test_one_edge_three_gpu_and_two_cpu_machines() -> None:
    members = list(fleet.agents(PORTS, "secret", Path("/x/services.toml")))
    kinds = [member.environment["WORKER_TYPE"] for member in members]
    assert kinds == ["edge", "gpu", "gpu", "gpu", "cpu", "cpu"]
    assert len({member.environment["WORKER_ID"] for member in members}) == 6
    assert members[0].environment["AGENT_SERVICES"] == "edge-proxy,load-balancer"


def test_every_member_has_the_key_and_it_is_on_no_command_line() -> None:
    members = [fleet.coordinator(PORTS, "secret"), *fleet.agents(PORTS, "secret", Path("s"))]
    assert all(member.environment["API_KEY"] == "secret" for member in members)
    assert not any("secret" in word for member in members for word in member.command)


def test_what_the_shell_has_set_for_other_programs_does_not_reach_the_fleet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EDGEPROXY_UPSTREAMS", "http://127.0.0.1:1")
    monkeypatch.setenv("API_KEY_FILE", "/nowhere")
    monkeypatch.setenv("DEMO_TOKEN_DELAY", "0")
    environment = fleet.coordinator(PORTS, "secret").environment
    assert "EDGEPROXY_UPSTREAMS" not in environment
    assert "API_KEY_FILE" not in environment
    assert environment["DEMO_TOKEN_DELAY"] == "0"


@pytest.mark.parametrize("ports", [Ports(), PORTS])
def test_the_services_file_says_where_each_service_listens(ports: Ports) -> None:
    services = tomllib.loads(fleet.services_text(ports))["services"]
    assert set(services) == set(fleet.EXPECTED)
    assert services["edge-proxy"]["port"] == ports.edge
    assert services["load-balancer"]["port"] == ports.balancer
    for service in services.values():
        assert service["command"][:2] == ["{python}", "-m"]


def test_the_admin_ports_are_the_documented_ones() -> None:
    assert (Ports().edge_admin, Ports().balancer_admin) == (9787, 9090)
