"""What a worker says of its load."""

from __future__ import annotations

import pytest

from edgeproxy.policy.load import note
from edgeproxy.policy.worker import Worker


@pytest.mark.parametrize(
    ("said", "in_flight", "latency"),
    [
        (b"TEXT named_metrics.in_flight=3, named_metrics.latency=0.25", 3, 0.25),
        (b'JSON {"named_metrics": {"num_requests_running": 4, "num_requests_waiting": 2}}', 6, 0.0),
        (b"TEXT named_metrics.num_requests_waiting=7", 7, 0.0),
    ],
)
def test_understood(said: bytes, in_flight: int, latency: float) -> None:
    worker = Worker("w", "a", 80)
    note(worker, said, 5.0)
    assert (worker.reported_in_flight, worker.reported_latency, worker.reported_at) == (in_flight, latency, 5.0)


@pytest.mark.parametrize("said", [b"", b"TEXT cpu=1", b"in_flight=-1", b"in_flight=99999999999999", b"in_flight=x"])
def test_not_understood(said: bytes) -> None:
    worker = Worker("w", "a", 80)
    note(worker, said, 5.0)
    assert worker.reported_at < 0
