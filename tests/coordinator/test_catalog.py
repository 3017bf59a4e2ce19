import pytest

from coordinator.catalog import CATALOG, Wanted, worker_type

RTX = {
    "hostname": "scc-ws-01",
    "cpu_cores": 16,
    "has_gpu": True,
    "gpu_type": "NVIDIA GeForce RTX 3090",
    "gpu_memory": "24576 MiB",
    "worker_type": "gpu",
    "low_latency": True,
    "latency_ms": 2.18,
    "has_edge": True,
    "ram": "62GB",
}


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        (RTX, "gpu"),
        ({"worker_type": "cpu", "has_edge": True, "has_gpu": True}, "cpu"),  # what the operator said wins
        ({"worker_type": "storage", "has_edge": True}, "storage"),
        ({"has_gpu": True, "has_edge": True}, "gpu"),
        ({"gpu_type": "Tesla T4", "cpu_cores": 4}, "gpu"),
        ({"gpu_type": "None"}, "cpu"),
        ({"has_gpu": False, "has_edge": True}, "edge"),
        ({"has_public_ip": True}, "edge"),
        ({"has_storage": True}, "storage"),
        ({"worker_type": "auto", "has_storage": True}, "storage"),
        ({"worker_type": ["gpu"]}, "cpu"),
        ({}, "cpu"),
    ],
)
def test_what_kind_of_worker_a_machine_is(capabilities: dict[str, object], expected: str) -> None:
    assert worker_type(capabilities) == expected


def test_a_gap_is_critical_at_none_a_warning_at_one_and_closed_at_two() -> None:
    wanted: Wanted = CATALOG["coordinator"]
    assert [wanted.gap(n) for n in range(4)] == ["critical", "warning", "ok", "ok"]
