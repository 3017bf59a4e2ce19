"""Facts about this machine: nothing fails, nothing hangs."""

import sys
from pathlib import Path

import pytest

from coordinator.agent import probe
from coordinator.agent.detect import Gpu
from edgeproxy.cluster.client import CoordinatorClient, CoordinatorError
from edgeproxy.runtime.cpu import usable_cores
from tests.agent.standin import Coordinator


def says(text: str, code: int = 0) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import sys; print({text!r}); sys.exit({code})")


async def test_gpus_as_nvidia_smi_names_them() -> None:
    found = await probe.gpus(says("NVIDIA A100, PCIe, 81920 MiB\nNVIDIA T4, 15360 MiB"))
    assert found == [Gpu("NVIDIA A100, PCIe", "81920 MiB"), Gpu("NVIDIA T4", "15360 MiB")]


@pytest.mark.parametrize(
    "query",
    [
        ("no-such-program-anywhere",),
        says("Failed to initialize NVML: Driver/library version mismatch", 18),
        says("No devices were found"),
        says(""),
    ],
)
async def test_no_gpu_is_normal(query: tuple[str, ...]) -> None:
    assert await probe.gpus(query) == []


async def test_a_driver_that_hangs_is_no_gpu() -> None:
    assert await probe.gpus((sys.executable, "-c", "import time; time.sleep(600)"), timeout=0.3) == []


async def test_the_latency_is_measured(coordinator: Coordinator) -> None:
    async with CoordinatorClient(coordinator.url) as client:
        assert 0 < await probe.latency(client) < 10_000


async def test_no_latency_without_a_coordinator(coordinator: Coordinator) -> None:
    await coordinator.stop()
    async with CoordinatorClient(coordinator.url) as client:
        with pytest.raises(CoordinatorError):
            await probe.latency(client)


async def test_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(probe, "DATA_DIRECTORIES", (str(tmp_path), str(tmp_path / "absent")))
    facts = await probe.machine(12.5)
    assert facts.cpu_cores == usable_cores()
    assert facts.memory > 1 << 20
    assert "127.0.0.1" in facts.addresses
    assert (facts.latency_ms, facts.data_directories) == (12.5, [str(tmp_path)])


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "https://127.0.0.1", "http://no-such-host.invalid"])
def test_our_address_on_the_way_to_the_coordinator(url: str) -> None:
    assert probe.address_towards(url) == "127.0.0.1"


def test_the_load_is_a_part_of_one() -> None:
    assert 0 <= probe.load() <= 1
