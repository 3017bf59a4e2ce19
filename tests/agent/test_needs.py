"""What services need, and which description is taken on which machine."""

from pathlib import Path

import pytest

from coordinator.agent.descriptions import load_descriptions, runnable_here
from coordinator.agent.detect import Facts, Gpu
from edgeproxy.runtime.environment import ConfigurationError

SMALL = Facts(hostname="box", cpu_cores=2, memory=4 << 30, storage=1 << 30)
LARGE = Facts(hostname="box", cpu_cores=16, memory=64 << 30, storage=1 << 40, gpus=[Gpu("T4", "15360 MiB")])


def described(tmp_path: Path, needs: str, command: str = "sh") -> Path:
    file = tmp_path / "services.toml"
    file.write_text(f'[services.x]\ncommand = ["{command}"]\n[services.x.needs]\n{needs}\n')
    return file


@pytest.mark.parametrize(
    ("needs", "missing"),
    [
        ("gpu = true", "a GPU"),
        ("cores = 4", "4 cores"),
        ('memory = "8GiB"', "8 GiB of memory (it has 4)"),
        ('gpu_memory = "8GiB"', "8 GiB of GPU memory (it has 0)"),
        ('storage = "5GiB"', "5 GiB of free storage (it has 1)"),
        ('programs = ["no-such-one"]', "no-such-one in PATH"),
        ('python = "no_such_package"', "the Python package no_such_package"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, needs: str, missing: str) -> None:
    descriptions = load_descriptions(described(tmp_path, needs))
    chosen, reasons = runnable_here(descriptions, SMALL)
    assert "x" not in chosen
    assert reasons["x"] == f"the machine lacks {missing}"
    if "no" not in needs:
        assert "x" in runnable_here(descriptions, LARGE)[0]


def test_of_several_ways_to_run_a_service_the_first_that_can_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "services.toml"
    file.write_text(
        '[services.big]\nserves = "llm-inference"\ncommand = ["sh"]\nneeds.gpu = true\n'
        '[services.little]\nserves = "llm-inference"\ncommand = ["sh"]\n'
    )
    descriptions = load_descriptions(file, ["llm-inference"])
    assert runnable_here(descriptions, LARGE)[0] == {"llm-inference": descriptions["big"]}
    assert runnable_here(descriptions, SMALL)[0] == {"llm-inference": descriptions["little"]}
    assert runnable_here(descriptions, LARGE)[1]["little"] == "llm-inference is run another way already"


@pytest.mark.parametrize("needs", ['memory = "many"', "gpus = 1", "cores = -1", 'python = "a b"'])
def test_wrong_needs_are_told_in_one_line(tmp_path: Path, needs: str) -> None:
    with pytest.raises(ConfigurationError, match=r"services\.x\.needs\.") as caught:
        load_descriptions(described(tmp_path, needs))
    assert "\n" not in str(caught.value)
