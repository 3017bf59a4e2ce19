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
    assert not any(check.passed for check in checks.values())
