"""The key file."""

import os
from pathlib import Path

import pytest

from edgeproxy.cluster.signer import load_key


def test_a_key_is_made_once_and_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "state" / "agent.key"
    first = load_key(path).private_bytes_raw()
    assert load_key(path).private_bytes_raw() == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == ["agent.key"]


@pytest.mark.parametrize("content", [b"", b"AAAA\n", b"\xff" * 43, b"A" * 44 + b"\n"])
def test_another_file_is_not_overwritten(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "agent.key"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="remove it"):
        load_key(path)
    assert path.read_bytes() == content
