"""What kind of worker a machine is: the seed's rule, made truthful."""

from dataclasses import replace

import pytest

from coordinator.agent.detect import Facts, Gpu, decide, public_address
from coordinator.catalog import worker_type

PLAIN = Facts(hostname="box", cpu_cores=8, memory=67_000_000_000, addresses=["127.0.0.1", "192.168.1.5"])
GPU = Gpu("NVIDIA GeForce RTX 3090", "24576 MiB")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, "cpu"),
        ({"data_directories": ["/data"]}, "storage"),
        ({"latency_ms": 49.9}, "edge"),
        ({"latency_ms": 50.0}, "cpu"),
        ({"addresses": ["203.0.114.45"]}, "edge"),
        ({"latency_ms": 1.0, "data_directories": ["/data"]}, "edge"),
        ({"latency_ms": 1.0, "gpus": [GPU]}, "gpu"),
    ],
)
def test_found_out(found: dict[str, object], expected: str) -> None:
    verdict = decide(replace(PLAIN, **found), "auto")  # type: ignore[arg-type]
    assert verdict.worker_type == expected
    assert worker_type(verdict.capabilities) == expected  # the coordinator comes to the same


@pytest.mark.parametrize("wanted", ["gpu", "cpu", "storage", "edge"])
def test_the_owners_word_wins(wanted: str) -> None:
    facts = replace(PLAIN, latency_ms=1.0, gpus=[GPU], data_directories=["/data"])
    verdict = decide(facts, wanted)  # type: ignore[arg-type]
    assert verdict.worker_type == worker_type(verdict.capabilities) == wanted


@pytest.mark.parametrize(
    "address",
    [
        "172.17.0.2",
        "172.31.9.9",
        "10.0.0.1",
        "100.64.1.1",
        "169.254.1.1",
        "127.0.0.1",
        "192.0.2.1",
        "0.0.0.0",
        "224.0.0.1",
        "2001:4860:4860::8888",
        "fe80::1%eth0",
        "nonsense",
    ],
)
def test_not_public(address: str) -> None:
    assert public_address([address]) is None


def test_public_among_others() -> None:
    assert public_address(["127.0.0.1", "fe80::1%eth0", "8.8.8.8"]) == "8.8.8.8"


def test_capabilities_are_in_the_words_of_the_seeds_clients() -> None:
    verdict = decide(replace(PLAIN, gpus=[GPU, GPU], latency_ms=2.1834), "auto")
    assert verdict.capabilities == {
        "hostname": "box",
        "cpu_cores": 8,
        "ram": "62GB",
        "worker_type": "gpu",
        "has_gpu": True,
        "gpu_type": "NVIDIA GeForce RTX 3090",
        "gpu_memory": "24576 MiB",
        "gpu_count": 2,
        "has_edge": True,
        "edge_verified": False,
        "storage": "0.0GB",
        "has_public_ip": False,
        "low_latency": True,
        "latency_ms": 2.18,
        "has_storage": False,
    }


def test_who_is_told_to_be_a_cpu_worker_does_not_offer_to_be_an_edge() -> None:
    capabilities = decide(replace(PLAIN, latency_ms=1.0), "cpu").capabilities
    assert capabilities["low_latency"] is True
    assert capabilities["has_edge"] is False


def test_every_check_has_its_reason() -> None:
    checks = {check.name: check for check in decide(replace(PLAIN, latency_ms=80.0), "auto").checks}
    assert checks["WORKER_TYPE"].reason == "not set, it is found out"
    assert checks["gpu"].reason == "nvidia-smi shows none, or is absent"
    assert checks["public address"].reason == "none among 127.0.0.1, 192.168.1.5"
    assert checks["low latency"].reason == "80.00 ms to the coordinator, not below 50"
    assert checks["storage"].reason == "there is neither /data nor /chroma"
    assert [name for name, check in checks.items() if check.passed] == ["edge minimum"]
    assert checks["edge minimum"].reason == "67.0 GB and 8 cores may be used, an edge needs 2 GB and 2"
    assert checks["dialled back"].reason == "it was not tried: not asked"


@pytest.mark.parametrize(
    ("found", "expected", "verified"),
    [
        ({"latency_ms": 1.0, "reachable": True}, "edge", True),
        ({"latency_ms": 1.0, "reachable": False}, "cpu", False),  # a claim that was refuted
        ({"addresses": ["203.0.114.45"], "reachable": False}, "cpu", False),
        ({"seen_address": "203.0.114.45", "reachable": True}, "edge", True),  # a cloud machine, translated one to one
        ({"seen_address": "203.0.114.45", "reachable": None}, "cpu", False),
        ({"seen_address": "203.0.114.45", "reachable": False}, "cpu", False),
        ({"latency_ms": 1.0, "memory": 1_900_000_000}, "cpu", False),  # below the seed's minimum
        ({"latency_ms": 1.0, "cpu_cores": 1}, "cpu", False),
    ],
)
def test_an_edge_is_a_claim_until_it_was_reached(found: dict[str, object], expected: str, verified: bool) -> None:
    verdict = decide(replace(PLAIN, **found), "auto")  # type: ignore[arg-type]
    assert verdict.worker_type == expected
    assert verdict.capabilities["edge_verified"] is verified
    assert verdict.capabilities["has_edge"] is (expected == "edge")


def test_the_address_that_the_coordinator_sees_is_told() -> None:
    verdict = decide(replace(PLAIN, seen_address="203.0.114.45", reachable=True), "auto")
    assert verdict.capabilities["public_ip"] == "203.0.114.45"
