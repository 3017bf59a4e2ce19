"""What each peer is started with."""

import shutil
from pathlib import Path

import pytest

from bench.peers import PEERS, Peer, Site
from bench.peers.haproxy import HAProxy
from bench.peers.nginx import Nginx
from bench.scenarios import SCENARIOS
from bench.suite import schedule


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, port=1111, admin_port=2222, upstream_port=3333)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program, path=None: f"/usr/sbin/{program}")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("peer", [Nginx(), Nginx(for_bulk=True), HAProxy(), HAProxy(for_bulk=True)])
def test_a_configuration_has_its_ports_and_no_gap(peer: Peer, site: Site) -> None:
    command = peer.command(site)
    assert command[0].startswith("/usr/sbin/")
    written = Path(command[-1]).read_text()
    assert "127.0.0.1:1111" in written
    assert "127.0.0.1:3333" in written
    assert "@{" not in written
    assert ("128k" in written or "131072" in written) == peer.for_bulk


def test_what_is_not_installed_is_absent_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program, path=None: None)
    reasons = {name: peer.absent() for name, peer in PEERS.items()}
    assert reasons["nginx"] == "no nginx on this machine"
    assert reasons["haproxy-128k"] == "no haproxy on this machine"
    assert reasons["aiohttp"] is None
    assert reasons["edgeproxy"] is None


def test_the_proxy_is_measured_with_our_settings_and_not_the_callers(
    monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    monkeypatch.setenv("EDGEPROXY_ACCESS_LOG", "off")
    monkeypatch.setenv("COORDINATOR_URL", "http://127.0.0.1:8080")
    monkeypatch.setenv("HOME", "/home/somebody")
    environment = PEERS["edgeproxy"].environment(site)
    ours = {name: environment[name] for name in environment if name.startswith(("EDGEPROXY", "COORDINATOR"))}
    assert ours == {
        "EDGEPROXY_UPSTREAMS": "http://127.0.0.1:3333",
        "EDGEPROXY_HOST": "127.0.0.1",
        "EDGEPROXY_PORT": "1111",
        "EDGEPROXY_ADMIN_PORT": "2222",
        "EDGEPROXY_PROCESSES": "1",
    }
    assert environment["HOME"] == "/home/somebody"


def test_peers_take_turns_and_bulk_variants_run_with_bulk_only() -> None:
    peers = [Nginx(), Nginx(for_bulk=True), HAProxy()]
    turns = schedule([SCENARIOS["get-1k"], SCENARIOS["body-10m"]], peers, rounds=2)
    assert [(scenario.name, peer) for scenario, peer in turns] == [
        *[("get-1k", "nginx"), ("get-1k", "haproxy")] * 2,
        *[("body-10m", "nginx"), ("body-10m", "nginx-128k"), ("body-10m", "haproxy")] * 2,
    ]
