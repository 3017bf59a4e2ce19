"""Connections that come to a process that speaks TLS: taken while there is room, and then left to the kernel."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from edgeproxy.net.handshaking import Handshaking


class Newcomer:
    """Comes in, and never says anything."""

    trusted = False
    transport = None

    def __init__(self, arrived: Callable[[], bool]) -> None:
        self._arrived = arrived

    def arrive(self, peer: Any) -> bool:
        return self._arrived()

    def depart(self) -> None:
        pass


async def test_who_comes_when_the_place_is_full_waits_for_a_free_one() -> None:
    """Nobody is reset for having come in the same moment as the one who took the last place."""
    loop = asyncio.get_running_loop()
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    came = 0

    def arrived() -> bool:
        nonlocal came
        came += 1
        if came == 2:
            door.pause()
        return False

    def newcomer() -> Any:
        return Newcomer(arrived)

    door = Handshaking(loop, newcomer, [listening], {})
    clients = [socket.create_connection(listening.getsockname()) for _ in range(5)]
    await door.begin()
    await asyncio.sleep(0.05)
    assert came == 2
    door.resume()
    await asyncio.sleep(0.05)
    assert came == 5
    door.pause()
    for client in (*clients, listening):
        client.close()
