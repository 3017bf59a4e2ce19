"""The rounds: every peer in turn, again and again, so that what disturbs the machine disturbs all alike.

Each scenario has peers of its own, started for it: so they are set up for it alone, and their memory is fresh.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench import certificate
from bench.closed_loop import WrongAnswer
from bench.launch import Launched, free_port, launched
from bench.measure import Cores, ProcessEnded, pinned, read_memory
from bench.peers import Peer, Site
from bench.scenarios import Figures, Plan, Scenario, Target


@dataclass(frozen=True, slots=True)
class Round:
    """What one peer showed in one round."""

    scenario: str
    peer: str
    figures: Figures


def schedule(peers: Sequence[Peer], rounds: int) -> list[str]:
    """A B C A B C."""
    return [peer.name for _ in range(rounds) for peer in peers]


@dataclass(frozen=True, slots=True)
class Bench:
    """The peers of one scenario by name, started, before one backend."""

    scenario: Scenario
    peers: dict[str, tuple[Launched, Target]]
    cores: Cores

    def measure(self, name: str, plan: Plan) -> Round:
        """Raises WrongAnswer, ProcessEnded, TimeoutError or OSError, with the peer's last words as a note."""
        program, target = self.peers[name]
        try:
            with pinned(self.cores.load):
                figures = uvloop.run(self.scenario.measure(target, plan))
        except (WrongAnswer, ProcessEnded, OSError) as error:  # TimeoutError is an OSError
            error.add_note(f"It was {name} in {self.scenario.name}. {program.last_lines()}")
            raise
        program.forget_log()
        return Round(self.scenario.name, name, figures)


@contextmanager
def running(scenario: Scenario, peers: Sequence[Peer], cores: Cores) -> Iterator[Bench]:
    """Backend and peers, started. Raises StartFailed. After an error the logs stay, and it says where."""
    directory = Path(tempfile.mkdtemp(prefix="edgeproxy-bench-"))
    try:
        with ExitStack() as stack:
            backend = stack.enter_context(_backend(directory, cores, scenario.setup.hosts))
            starting = _Starting(scenario, directory, backend.port, cores)
            yield Bench(scenario, {peer.name: stack.enter_context(starting.peer(peer)) for peer in peers}, cores)
    except Exception as error:
        error.add_note(f"The logs are in {directory}.")
        raise
    except BaseException:  # Ctrl-C: nobody asks for logs
        shutil.rmtree(directory)
        raise
    shutil.rmtree(directory)


@contextmanager
def _backend(directory: Path, cores: Cores, hosts: Sequence[str]) -> Iterator[Launched]:
    port = free_port()
    command = [sys.executable, "-m", "bench.backend", "--port", str(port), "--hosts", ",".join(hosts)]
    with launched("backend", command, port=port, directory=directory, core=cores.load) as backend:
        yield backend


class _Starting:
    def __init__(self, scenario: Scenario, directory: Path, upstream_port: int, cores: Cores) -> None:
        self._setup = scenario.setup
        self._directory = directory
        self._upstream_port = upstream_port
        self._core = cores.proxy
        self._certificate = certificate.make(directory) if scenario.setup.tls else None

    def _site(self, peer: Peer) -> Site:
        directory = self._directory / peer.name
        directory.mkdir()
        port, admin = free_port(), free_port()
        return Site(directory, port, admin, self._upstream_port, self._setup, self._certificate)

    @contextmanager
    def peer(self, peer: Peer) -> Iterator[tuple[Launched, Target]]:
        site = self._site(peer)
        with launched(
            peer.name,
            peer.command(site),
            port=site.port,
            directory=site.directory,
            core=self._core,
            environment=peer.environment(site),
            tls=self._certificate.trusted() if self._certificate else None,
        ) as program:
            resting = read_memory(program.pid)
            yield program, Target(program.pid, site.port, site.upstream_port, resting, program.tls)
