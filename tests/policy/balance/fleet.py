"""Workers for the tests of strategies."""

from __future__ import annotations

from edgeproxy.policy.worker import Worker

NOW = 100.0


def fleet(size: int, **options: float) -> list[Worker]:
    return [Worker(f"w{number}", "a", number, **options) for number in range(size)]  # type: ignore[arg-type]


def leave_out(worker: Worker, seconds: float = 10.0) -> None:
    worker.left_out_until = NOW + seconds
