"""What a request costs the edge over a reverse connection, beside a direct one: CPU of its process, in turn.

Both go to an agent's gateway, so that the edge has the same to do and is kept as busy; they differ in who has opened
the connection. What it costs to go to the service itself is measured beside it.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.agent.lent import Fleet, until
from bench.closed_loop import Load, connected
from bench.launch import free_port
from bench.measure import Meter, choose_cores, pinned
from bench.scenarios.rate import Rate

CONNECTIONS = 32
PLAIN, DIRECT, REVERSE = "document-processing", "notes-coa", "ner-extraction"


@dataclass(frozen=True)
class Cost:
    """Microseconds of CPU a request: of the edge, and of the agent that a reverse request goes through."""

    plain_us: float  # to the service itself
    direct_us: float
    reverse_us: float
    agent_us: float
    ratio: float  # the median of the rounds' own ratios


async def cost(directory: Path, rounds: int, seconds: float) -> Cost:
    fleet, cores = Fleet(directory), choose_cores()
    with (
        pinned(cores.load),
        fleet.coordinator(),
        fleet.machine("plain", PLAIN, AGENT_EXPOSE="direct"),
        fleet.machine("direct", DIRECT, AGENT_EXPOSE="direct", AGENT_PORT=str(free_port())),
        fleet.machine("reverse", REVERSE, AGENT_EXPOSE="reverse") as agent,
        pinned(cores.proxy),
        fleet.edge() as edge,
    ):
        pass_on = edge.pid
        with pinned(cores.load):
            until(lambda: all(fleet.serves(name) for name in (PLAIN, DIRECT, REVERSE)))
            return await _compared(fleet.edge_port, pass_on, agent.pid, rounds, seconds)


async def _compared(port: int, edge: int, agent: int, rounds: int, seconds: float) -> Cost:
    async with _load(PLAIN, port) as plain, _load(DIRECT, port) as direct, _load(REVERSE, port) as reverse:
        for load in (plain, direct, reverse):
            await load.run(seconds / 2)
        plains, pairs, agents = [], [], []
        for _ in range(rounds):
            plains.append((await _round(plain, edge, edge, seconds))[0])
            of_direct, _ = await _round(direct, edge, edge, seconds)
            of_reverse, of_agent = await _round(reverse, edge, agent, seconds)
            pairs.append((of_direct, of_reverse))
            agents.append(of_agent)
    return Cost(
        median(plains),
        median(pair[0] for pair in pairs),
        median(pair[1] for pair in pairs),
        median(agents),
        median(pair[1] / pair[0] for pair in pairs),
    )


async def _round(load: Load, edge: int, agent: int, seconds: float) -> tuple[float, float]:
    of_edge, of_agent = Meter(edge), Meter(agent)
    count = await load.run(seconds)
    own = of_agent.read().cpu_s[agent]  # without the service that it runs
    return of_edge.read().total_s / count.requests * 1e6, own / count.requests * 1e6


def _load(service: str, port: int) -> AbstractAsyncContextManager[Load]:
    plain = Rate(name="", title="", peers=(), connections=CONNECTIONS, download=1024)
    request = plain.request().replace(b"GET /", b"GET /service/" + service.encode() + b"/", 1)
    return connected(request, plain.answer(), CONNECTIONS, port, None)
