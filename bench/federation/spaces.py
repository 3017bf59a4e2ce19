"""Five network namespaces: core, eu, us and apac, each a machine of its own behind a bridge in `users`.

Made and removed here; addresses are of this test alone and reach nothing else.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PLACES: Final = {"core": "10.77.0.1", "eu": "10.77.0.2", "us": "10.77.0.3", "apac": "10.77.0.4"}
USERS: Final = "10.77.0.254"
COMMAND_WITHIN: Final = 20.0


def run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=COMMAND_WITHIN, capture_output=True)


def usable() -> str | None:
    """Why namespaces cannot be made here; None if they can."""
    try:
        run("ip", "netns", "add", "fedprobe")
        run("ip", "netns", "del", "fedprobe")
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return None


def inside(prefix: str, place: str) -> list[str]:
    """What goes before a command that is to run there."""
    return ["ip", "netns", "exec", f"{prefix}{place}"]


@contextmanager
def namespaces(prefix: str) -> Iterator[None]:
    """`prefix` tells one test run from another; at most six characters."""
    names = [f"{prefix}{place}" for place in ("users", *PLACES)]
    try:
        for name in names:
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", names[0], "link", "add", "name", "bridge0", "type", "bridge")
        run("ip", "-n", names[0], "addr", "add", f"{USERS}/24", "dev", "bridge0")
        run("ip", "-n", names[0], "link", "set", "bridge0", "up")
        for place, address in PLACES.items():
            _join(prefix, place, address)
        yield
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, timeout=COMMAND_WITHIN, capture_output=True)


def _join(prefix: str, place: str, address: str) -> None:
    users, name = f"{prefix}users", f"{prefix}{place}"
    run("ip", "-n", users, "link", "add", "name", place, "type", "veth", "peer", "name", "up0", "netns", name)
    run("ip", "-n", users, "link", "set", place, "master", "bridge0", "up")
    run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "up0")
    run("ip", "-n", name, "link", "set", "up0", "up")


def cut(prefix: str, place: str, other: str) -> None:
    """What `place` sends to `other` is lost on the way; the other direction stays."""
    run("ip", "-n", f"{prefix}{place}", "route", "add", "blackhole", f"{PLACES.get(other, USERS)}/32")


def heal(prefix: str, place: str, other: str) -> None:
    run("ip", "-n", f"{prefix}{place}", "route", "del", "blackhole", f"{PLACES.get(other, USERS)}/32")


def unplug(prefix: str, place: str, plugged: bool = False) -> None:
    """The cable of a machine: all of its connections stall."""
    run("ip", "-n", f"{prefix}users", "link", "set", place, "up" if plugged else "down")
