"""The rounds: every peer in turn, again and again, so that what disturbs the machine disturbs all alike."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.generator import WrongAnswer, connected
from bench.launch import Launched, free_port, launched
from bench.measure import Cores, ProcessEnded, Reading, pinned, read_cpu, spent
from bench.peers import Peer, Site
from bench.scenarios import Scenario


@dataclass(frozen=True, slots=True)
class Plan:
    rounds: int
    round_s: float
    warmup_s: float


@dataclass(frozen=True, slots=True)
class Round:
    """What one peer did in one round. `cpu_s` has each process of its tree, by pid."""

    scenario: str
    peer: str
    requests: int
    elapsed_s: float
    cpu_s: Reading

    @property
    def cpu_us(self) -> float:
        """CPU microseconds a request, of the whole tree."""
        return sum(self.cpu_s.values()) / self.requests * 1e6

    @property
    def serving_us(self) -> float:
        """The same of the busiest process alone: the one that serves."""
        return max(self.cpu_s.values()) / self.requests * 1e6

    @property
    def requests_per_s(self) -> float:
        return self.requests / self.elapsed_s

    @property
    def busy(self) -> float:
        """The share of its core that the peer used; well below 1, load and backend were the limit."""
        return sum(self.cpu_s.values()) / self.elapsed_s


Turn = tuple[Scenario, str]
"""A scenario, and the name of the peer that has its round."""


def schedule(scenarios: Sequence[Scenario], peers: Sequence[Peer], rounds: int) -> list[Turn]:
    """A B C A B C for each scenario."""
    return [
        (scenario, peer.name)
        for scenario in scenarios
        for _ in range(rounds)
        for peer in peers
        if scenario.bulk or not peer.for_bulk
    ]


@dataclass(frozen=True, slots=True)
class Bench:
    """The peers by name, started, before one backend."""

    peers: dict[str, Launched]
    cores: Cores

    def measure(self, turn: Turn, plan: Plan) -> Round:
        """Raises WrongAnswer, ProcessEnded or OSError, with the peer's last words as a note."""
        scenario, name = turn
        peer = self.peers[name]
        try:
            with pinned(self.cores.load):
                return uvloop.run(_round(scenario, peer, plan))
        except (WrongAnswer, ProcessEnded, OSError) as error:
            error.add_note(f"It was {name} in {scenario.name}. {peer.last_lines()}")
            raise


async def _round(scenario: Scenario, peer: Launched, plan: Plan) -> Round:
    async with connected(scenario, peer.port) as load:
        await load.run(plan.warmup_s)
        before = read_cpu(peer.pid)
        count = await load.run(plan.round_s)
        cpu_s = spent(before, read_cpu(peer.pid))
    return Round(scenario.name, peer.name, count.requests, count.elapsed_s, cpu_s)


@contextmanager
def running(peers: Sequence[Peer], cores: Cores) -> Iterator[Bench]:
    """Backend and peers, started. Raises StartFailed. After an error the logs stay, and it says where."""
    directory = Path(tempfile.mkdtemp(prefix="edgeproxy-bench-"))
    try:
        with ExitStack() as stack:
            backend = stack.enter_context(_backend(directory, cores))
            upstream = backend.port
            started = {peer.name: stack.enter_context(_peer(peer, directory, upstream, cores)) for peer in peers}
            yield Bench(started, cores)
    except Exception as error:
        error.add_note(f"The logs are in {directory}.")
        raise
    except BaseException:  # Ctrl-C: nobody asks for logs
        shutil.rmtree(directory)
        raise
    shutil.rmtree(directory)


@contextmanager
def _backend(directory: Path, cores: Cores) -> Iterator[Launched]:
    port = free_port()
    command = [sys.executable, "-m", "bench.backend", "--port", str(port)]
    with launched("backend", command, port=port, directory=directory, core=cores.load) as backend:
        yield backend


@contextmanager
def _peer(peer: Peer, parent: Path, upstream_port: int, cores: Cores) -> Iterator[Launched]:
    site = Site(parent / peer.name, free_port(), free_port(), upstream_port)
    site.directory.mkdir()
    with launched(
        peer.name,
        peer.command(site),
        port=site.port,
        directory=site.directory,
        core=cores.proxy,
        environment=peer.environment(site),
    ) as program:
        yield program
