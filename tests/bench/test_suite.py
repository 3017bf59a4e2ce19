"""Real processes: the recipe before the backend, started, measured, ended."""

import sys
from pathlib import Path

import psutil
import pytest

from bench.backend import MAX_BODY
from bench.closed_loop import WrongAnswer
from bench.launch import StartFailed, free_port, launched
from bench.measure import Cores
from bench.peers import PEERS, Peer, Site
from bench.peers.recipe import Recipe
from bench.scenarios import SCENARIOS, Plan
from bench.scenarios.rate import Rate
from bench.suite import running, schedule

UNPINNED = Cores(None, None)
SHORT = Plan(rounds=1, round_s=0.1, warmup_s=0.0, repeats=1, stream_s=1, streams=100, idle=20, leaves=4, races=1)


def test_a_round_of_the_recipe_is_counted_and_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    wrong = Rate("wrong", "more than there is", ("aiohttp",), connections=1, download=MAX_BODY + 1)
    with running(SCENARIOS["get-1k"], [Recipe()], UNPINNED) as bench:
        started = psutil.Process().children(recursive=True)
        taken = bench.measure("aiohttp", SHORT)
    with pytest.raises(WrongAnswer, match="400") as raised, running(wrong, [Recipe()], UNPINNED) as bench:
        bench.measure("aiohttp", SHORT)
    assert any("aiohttp in wrong" in note for note in raised.value.__notes__)
    assert taken.figures["requests"] >= 64
    assert 0 < taken.figures["cpu_us"] < 1e6 * taken.figures["elapsed_s"]
    assert len(started) == 2
    assert not any(alive(process) for process in started)
    (kept,) = tmp_path.iterdir()
    assert raised.value.__notes__[-1] == f"The logs are in {kept}."


@pytest.mark.parametrize("name", ["get-1k-guarded", "get-1k-tls", "stream", "leave"])
def test_edgeproxy_is_set_up_as_a_scenario_wants_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    scenario = SCENARIOS[name]
    with running(scenario, [PEERS["edgeproxy"]], UNPINNED) as bench:
        program, target = bench.peers["edgeproxy"]
        assert (target.tls is not None) == scenario.setup.tls
        taken = bench.measure("edgeproxy", SHORT)
        assert program.log.stat().st_size < 100_000  # an access log is forgotten after each round
    assert {column.figure for column in scenario.columns} <= taken.figures.keys()
    assert list(tmp_path.iterdir()) == []


def test_edgeproxy_finds_its_fleet_and_repeats_what_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with running(SCENARIOS["race"], [PEERS["edgeproxy"]], UNPINNED) as bench:
        figures = bench.measure("edgeproxy", SHORT).figures
    assert (figures["get_errors"], figures["declared_errors"], figures["post_twice"]) == (0, 0, 0)


def test_peers_take_turns() -> None:
    assert schedule([PEERS["nginx"], PEERS["haproxy"]], 2) == ["nginx", "haproxy", "nginx", "haproxy"]


class Broken(Peer):
    name = "broken"

    def version(self) -> str:
        return "0"

    def command(self, site: Site) -> list[str]:
        return [sys.executable, "-c", "print('no such setting'); raise SystemExit(78)"]


def test_a_peer_that_does_not_start_says_why_and_its_log_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with (
        pytest.raises(StartFailed, match=r"broken ended with code 78:\nno such setting") as raised,
        running(SCENARIOS["get-1k"], [Broken()], UNPINNED),
    ):
        pass
    kept = next(tmp_path.iterdir())
    assert raised.value.__notes__ == [f"The logs are in {kept}."]
    assert (kept / "broken" / "broken.log").read_text() == "no such setting\n"
    assert psutil.Process().children() == []


def test_a_peer_that_ignores_sigterm_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.launch.STOP_S", 0.2)
    port = free_port()
    stubborn = (
        "import signal, subprocess, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"subprocess.run([sys.executable, '-m', 'bench.backend', '--port', '{port}'])"
    )
    command = [sys.executable, "-c", stubborn]
    with launched("stubborn", command, port=port, directory=tmp_path, core=None) as program:
        tree = [root := psutil.Process(program.pid), *root.children()]
        assert len(tree) == 2
    assert program.process.returncode == -9
    assert not any(alive(process) for process in tree)


def alive(process: psutil.Process) -> bool:
    """An orphan that was killed is a zombie until init, which may be slow, has asked for its end."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
