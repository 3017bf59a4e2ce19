"""Machines' values over a restart, and over a file that is damaged."""

from pathlib import Path

import pytest

from coordinator.keyvaluefile import KeyValueFile
from coordinator.keyvalues import KeyValues


async def test_over_a_restart(tmp_path: Path) -> None:
    path, values = tmp_path / "registry.kv", KeyValues()
    file = KeyValueFile(path, values)
    file.load()
    await file.flush()
    assert not path.exists()  # nothing to keep
    values.put("vpn_bootstrap", {"status": "ready"})
    await file.flush()
    written = path.stat().st_mtime_ns
    values.put("vpn_bootstrap", {"status": "ready"})  # no news
    await file.flush()
    assert path.stat().st_mtime_ns == written
    again = KeyValues()
    KeyValueFile(path, again).load()
    assert again.told() == {"vpn_bootstrap": {"status": "ready"}}


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"a b": 1}', b'{"k": "%s"}' % (b"x" * 20_000), b"\xff"])
def test_a_damaged_file_is_set_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "registry.kv"
    path.write_bytes(content)
    values = KeyValues()
    KeyValueFile(path, values).load()
    assert len(values) == 0
    assert path.with_name("registry.kv.malformed").read_bytes() == content
