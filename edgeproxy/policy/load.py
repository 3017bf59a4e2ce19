"""What a worker says of its load, in the field `endpoint-load-metrics` (the Open Request Cost Aggregation of xDS, as
vLLM and gRPC servers send it): `TEXT named_metrics.in_flight=3, named_metrics.latency=0.25`, or the same as JSON."""

from __future__ import annotations

import re

from edgeproxy.policy.worker import Worker

_IN_FLIGHT = re.compile(rb'(?:in_flight|num_requests_running)"?[ ]?[=:][ ]?([0-9]{1,6})(?![0-9])')
_WAITING = re.compile(rb'num_requests_waiting"?[ ]?[=:][ ]?([0-9]{1,6})(?![0-9])')
_LATENCY = re.compile(rb'latency"?[ ]?[=:][ ]?([0-9]{1,5}(?:\.[0-9]{1,9})?)')


def note(worker: Worker, value: bytes, now: float) -> None:
    """Take its word for a while; what is not understood says nothing."""
    in_flight = _IN_FLIGHT.search(value)
    waiting = _WAITING.search(value)
    if in_flight is None and waiting is None:
        return
    worker.reported_in_flight = sum(int(found[1]) for found in (in_flight, waiting) if found)
    latency = _LATENCY.search(value)
    worker.reported_latency = float(latency[1]) if latency else 0.0
    worker.reported_at = now
