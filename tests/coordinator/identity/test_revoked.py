"""The file of revoked keys, over restarts, crashes and other people's edits."""

from pathlib import Path

import pytest

from coordinator.identity import revoked as module
from coordinator.identity.revoked import Revoked, RevokedFull

ONE, TWO = bytes(32), bytes(31) + b"\x01"


def test_they_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "revoked"
    keys = Revoked(path)
    keys.add(ONE)
    keys.add(ONE)
    assert (ONE in keys, TWO in keys) == (True, False)
    again = Revoked(path)
    assert (ONE in again, len(again)) == (True, 1)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_torn_line_costs_itself_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "revoked"
    Revoked(path).add(ONE)
    with path.open("ab") as file:
        file.write(b"AAAA")
    Revoked(path).add(TWO)
    keys = Revoked(path)
    assert ONE in keys
    assert TWO in keys
    assert "is no key" in caplog.text


def test_a_key_that_cannot_be_kept_is_not_revoked_by_half(tmp_path: Path) -> None:
    keys = Revoked(tmp_path / "no" / "revoked")
    with pytest.raises(OSError, match="No such file"):
        keys.add(ONE)
    assert ONE not in keys


def test_there_is_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 1)
    keys = Revoked()
    keys.add(ONE)
    with pytest.raises(RevokedFull):
        keys.add(TWO)
