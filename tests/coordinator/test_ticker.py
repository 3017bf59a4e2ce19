"""Time passes, also after we stood still."""

from typing import Any

from coordinator.prober import Prober
from coordinator.registry import Registry
from coordinator.ticker import Ticker
from edgeproxy.cluster.messages import Heartbeat, Registration


def join(registry: Registry, clock: Any) -> Any:
    body = {"worker_id": "w", "capabilities": {}, "services": []}
    return registry.register(Registration.model_validate(body), clock())


async def test_a_late_turn_excuses_everybody(registry: Registry, clock: Any) -> None:
    async with Prober(registry, clock) as prober:
        ticker, worker = Ticker(registry, prober, clock), join(registry, clock)
        slept = clock().monotonic
        clock.move(60)  # two leases
        ticker.tick(slept)
        assert worker.status == "starting"
        clock.move(5)  # in which what waits in our sockets is heard
        registry.heartbeat(Heartbeat(worker_id="w"), clock())
        assert worker.status == "healthy"


async def test_a_turn_in_time_excuses_nobody(registry: Registry, clock: Any) -> None:
    async with Prober(registry, clock) as prober:
        ticker, worker = Ticker(registry, prober, clock), join(registry, clock)
        for _ in range(310):
            slept = clock().monotonic
            clock.move(0.1)
            ticker.tick(slept)
        assert worker.status == "offline"


async def test_busy_turns_are_measured(registry: Registry, clock: Any) -> None:
    async with Prober(registry, clock) as prober:
        ticker = Ticker(registry, prober, clock)
        ticker._measured = (ticker._measured[0] - 10, ticker._measured[1] - 9)  # nine of ten seconds
        ticker.tick(clock().monotonic)
        assert 0.1 < registry.pace.load < 0.12
