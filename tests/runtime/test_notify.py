import socket
from pathlib import Path

import pytest

from edgeproxy.runtime.notify import notify, notify_ready


def test_states_go_to_the_socket_of_systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify_ready("2 processes serve")
        assert sock.recv(1000) == b"READY=1\nSTATUS=2 processes serve"


def test_the_abstract_namespace_is_understood(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + str(tmp_path))
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + str(tmp_path))
        notify("STOPPING=1")
        assert sock.recv(1000) == b"STOPPING=1"


@pytest.mark.parametrize("address", ["", "/no/such/socket", "nonsense"])
def test_it_never_fails(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")
