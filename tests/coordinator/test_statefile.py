"""The registry on disk: what comes back, what is dropped, what is set aside."""

import os
from pathlib import Path
from typing import Any

import pytest

from coordinator import statefile
from coordinator.registry import Registry
from coordinator.statefile import StateFile
from edgeproxy.cluster.messages import Heartbeat, Registration


def register(registry: Registry, clock: Any, name: str) -> None:
    body = {"worker_id": name, "capabilities": {"worker_type": "edge"}, "tunnel_url": f"http://{name}:1"}
    registry.register(Registration.model_validate(body), clock())


def restored(path: Path, clock: Any) -> Registry:
    registry = Registry(5.0, clock.new_id)
    registry.restore(StateFile(path, registry).load(), clock())
    return registry


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registry"


async def test_workers_come_back_unverified_and_routable(registry: Registry, clock: Any, path: Path) -> None:
    file = StateFile(path, registry)
    for name in ("a", "b", "c"):
        register(registry, clock, name)
    await file.flush()
    registry.unregister("b", clock())
    await file.flush()
    again = restored(path, clock)
    assert [(w.worker_id, w.unverified, w.assigned) for w in again.live(clock())] == [
        (name, True, registry.workers[name].assigned) for name in ("a", "c")
    ]
    assert again.unverified == 2
    assert again.heartbeat(Heartbeat(worker_id="a"), clock()) is not None
    assert again.unverified == 1
    assert oct(path.stat().st_mode & 0o777) == "0o600"


async def test_a_quiet_fleet_writes_nothing(registry: Registry, clock: Any, path: Path) -> None:
    register(registry, clock, "a")
    registry.heartbeat(Heartbeat(worker_id="a"), clock())
    file = StateFile(path, registry)
    await file.flush()
    before = path.stat()
    for _ in range(10):
        clock.move(5)
        registry.heartbeat(Heartbeat(worker_id="a", current_load=0.9), clock())
        await file.flush()
    registry.advance(clock())
    after = path.stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


async def test_changes_are_appended_and_the_file_is_written_anew_in_time(
    registry: Registry, clock: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statefile, "SPARE", 3)
    file, inodes, sizes = StateFile(path, registry), set(), []
    for _ in range(40):
        register(registry, clock, "a")
        await file.flush()
        inodes.add(path.stat().st_ino)
        sizes.append(len(path.read_bytes().splitlines()))
    assert len(inodes) > 1
    assert max(sizes) <= 10
    assert list(restored(path, clock).workers) == ["a"]


async def test_more_changes_than_the_log_holds_are_all_saved(registry: Registry, clock: Any, path: Path) -> None:
    registry.events.limit = 3
    file = StateFile(path, registry)
    await file.flush()
    for number in range(10):
        register(registry, clock, f"w{number}")
    await file.flush()
    assert len(restored(path, clock).workers) == 10


async def test_a_line_that_is_half_written_is_dropped(registry: Registry, clock: Any, path: Path) -> None:
    file = StateFile(path, registry)
    for name in ("a", "b"):
        register(registry, clock, name)
    await file.flush()
    content = path.read_bytes()
    for cut in range(1, 60):
        path.write_bytes(content[:-cut])
        assert list(restored(path, clock).workers) == ["a"]
        assert path.exists()


@pytest.mark.parametrize(
    ("damage", "kept"),
    [
        (lambda lines: [b"\x00\x01\n"], []),
        (lambda lines: [b'{"edgeproxy_registry":99}\n', *lines[1:]], []),
        (lambda lines: [*lines[:2], b"nonsense\n", *lines[2:]], ["a"]),
        (lambda lines: [*lines, b"[]\n"], ["a", "b"]),
        (lambda lines: [*lines, b'{"worker_id":7}\n'], ["a", "b"]),
        (lambda lines: [*lines, b'{"worker_id":"c"}\n'], ["a", "b"]),
        (lambda lines: [*lines, b'{"worker_id":"' + b"x" * 600_000 + b'"}\n'], ["a", "b"]),
    ],
)
async def test_a_damaged_file_is_set_aside_and_the_start_goes_on(
    registry: Registry, clock: Any, path: Path, damage: Any, kept: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    file = StateFile(path, registry)
    for name in ("a", "b"):
        register(registry, clock, name)
    await file.flush()
    path.write_bytes(b"".join(damage(path.read_bytes().splitlines(keepends=True))))
    again = restored(path, clock)
    assert sorted(again.workers) == kept
    assert not path.exists()
    assert path.with_name("registry.malformed").exists()
    await StateFile(path, again).flush()
    assert sorted(restored(path, clock).workers) == kept


async def test_no_file_is_a_first_start(path: Path, clock: Any) -> None:
    assert restored(path, clock).workers == {}
    path.mkdir()
    assert restored(path, clock).workers == {}  # cannot be read: told, and gone on


async def test_a_disk_that_is_full_costs_nothing_but_the_file(
    registry: Registry, clock: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = StateFile(path, registry)
    register(registry, clock, "a")
    await file.flush()
    with monkeypatch.context() as broken:
        broken.setattr(Path, "open", lambda *_, **__: (_ for _ in ()).throw(OSError(28, os.strerror(28))))
        register(registry, clock, "b")
        await file.flush()
    await file.flush()
    assert sorted(restored(path, clock).workers) == ["a", "b"]


async def test_a_full_registry_takes_what_it_can(registry: Registry, clock: Any, path: Path) -> None:
    for name in ("a", "b", "c"):
        register(registry, clock, name)
    await StateFile(path, registry).flush()
    small = Registry(5.0, clock.new_id, max_workers=2)
    small.restore(StateFile(path, small).load(), clock())
    assert len(small.workers) == 2
