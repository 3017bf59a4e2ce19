from pathlib import Path

import pytest

from coordinator.catalog import CATALOG, Wanted, worker_type
from coordinator.catalog_file import read_catalog
from coordinator.resources import Resources
from edgeproxy.runtime.environment import ConfigurationError

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


def test_sets_of_services_are_masks() -> None:
    mask = CATALOG.mask(["notes-coa", "llm-inference", "unheard-of"])
    assert CATALOG.names(mask) == ("llm-inference", "notes-coa")
    assert CATALOG.names(mask) is CATALOG.names(mask)
    assert CATALOG.names(0) == ()


FILE = """
[services.speech]
requires = "gpu"
port = 8200
priority = 2
minimum = 1
desired = 4
maximum = 8
need = { vram = "6GiB", memory = "512MiB", cores = 2 }

[services.notes]
requires = "cpu"
tier = 2
port = 8100
"""


def test_a_catalogue_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "services.toml"
    path.write_text(FILE)
    speech, notes = read_catalog(path).values()
    assert (speech.spec.name, speech.spec.tier, speech.spec.priority, speech.spec.port) == ("speech", 1, 2, 8200)
    assert (speech.minimum, speech.desired, speech.maximum) == (1, 4, 8)
    assert speech.need == Resources(memory=512, vram=6144, cores=2)
    assert (notes.minimum, notes.desired, notes.maximum, notes.need) == (2, 2, None, Resources())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "services: Field required"),
        ("services = 3", "services"),
        ("[services]", "services"),
        ("[services.x]\nrequires = 'gpu'", "services.x.port: Field required"),
        ("[services.x]\nrequires = 'tpu'\nport = 1", "services.x.requires"),
        ("[services.x]\nrequires = 'gpu'\nport = 70000", "services.x.port"),
        ("[services.x]\nrequires = 'gpu'\nport = '80'", "services.x.port"),
        ("[services.x]\nrequires = 'gpu'\nport = 1\nprioritty = 1", "services.x.prioritty"),
        ("[services.x]\nrequires = 'gpu'\nport = 1\ntier = 2", "tier must be 1"),
        ("[services.x]\nrequires = 'gpu'\nport = 1\nminimum = 3\nmaximum = 2", "minimum <= desired"),
        ("[services.x]\nrequires = 'gpu'\nport = 1\nneed = { vram = 'lots' }", "services.x.need.vram"),
        ("[services.'../x']\nrequires = 'gpu'\nport = 1", "services"),
        ("[services.x", "is not TOML"),
        ("\N{REPLACEMENT CHARACTER}", "is not TOML"),
        ("#" * 300_000, "is longer than"),
    ],
)
def test_a_wrong_file_is_said_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "services.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        read_catalog(path)
    message = str(refused.value)
    assert message.startswith(f"COORDINATOR_CATALOG={path}: ")
    assert words in message
    assert "\n" not in message


def test_too_many_services_and_no_file(tmp_path: Path) -> None:
    path = tmp_path / "services.toml"
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        read_catalog(path)
    path.write_text("\n".join(f"[services.s{n}]\nrequires = 'cpu'\nport = 1" for n in range(65)))
    with pytest.raises(ConfigurationError, match="services"):
        read_catalog(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="is not TOML"):
        read_catalog(path)
