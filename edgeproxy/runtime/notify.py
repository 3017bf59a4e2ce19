"""Tell systemd how the service does (sd_notify(3)), if it asked by NOTIFY_SOCKET; else nothing happens."""

import os
import socket
import time


def notify(*states: str) -> None:
    """Send states as `READY=1`. Never fails: the service is worth more than the message."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # abstract namespace
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            sock.sendto("\n".join(states).encode(), address)
    except OSError:
        pass


def notify_ready(status: str) -> None:
    notify("READY=1", f"STATUS={status}")


def notify_reloading() -> None:
    """Type=notify-reload wants the time beside it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def notify_stopping(status: str) -> None:
    notify("STOPPING=1", f"STATUS={status}")
