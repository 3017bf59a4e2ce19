"""JSON lines over a socketpair: whole messages, no waiting, no trust in the size."""

import asyncio
import socket
from collections.abc import AsyncIterator

import orjson
import pytest

from edgeproxy.runtime.channel import MAX_MESSAGE, Channel, Message, encode


class End:
    """A channel, and at its other end a bare socket."""

    def __init__(self, channel: Channel, peer: socket.socket, got: list[Message], closed: asyncio.Event) -> None:
        self.channel = channel
        self.peer = peer
        self.got = got
        self.closed = closed

    async def write(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.peer, data)

    async def read_until(self, last: bytes) -> list[Message]:
        data = b""
        async with asyncio.timeout(30):
            while not data.endswith(last + b"\n"):
                data += await asyncio.get_running_loop().sock_recv(self.peer, 1 << 20)
        return [orjson.loads(line) for line in data.splitlines()]

    async def until_got(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.got) < count:
                await asyncio.sleep(0.005)


@pytest.fixture
async def end() -> AsyncIterator[End]:
    ours, peer = socket.socketpair()
    peer.setblocking(False)
    got: list[Message] = []
    closed = asyncio.Event()

    def receive(message: Message) -> None:
        if message["type"] == "bomb":
            raise RuntimeError("a handler with a fault")
        got.append(message)

    channel = await Channel.open(ours, receive, closed.set)
    with peer:
        yield End(channel, peer, got, closed)
    channel.close()
    async with asyncio.timeout(30):
        await closed.wait()


async def test_messages_arrive_whole_however_they_are_cut(end: End) -> None:
    line = encode({"type": "a", "text": "grüße\n"}) + encode({"type": "b"})
    for i in range(len(line)):
        await end.write(line[i : i + 1])
        await asyncio.sleep(0)
    await end.until_got(2)
    assert end.got == [{"type": "a", "text": "grüße\n"}, {"type": "b"}]


async def test_a_wrong_message_costs_itself_only(end: End) -> None:
    await end.write(b'no json\n[]\n{}\n{"type":1}\n{"type":"bomb"}\n{"type":"good"}\n')
    await end.until_got(1)
    assert end.got == [{"type": "good"}]


async def test_while_the_peer_does_not_read_the_last_of_each_type_is_kept(end: End) -> None:
    blob = "x" * 100_000
    for number in range(1000):
        end.channel.send({"type": "counters", "number": number, "blob": blob})
        end.channel.send({"type": "beat", "number": number})
    end.channel.send({"type": "end"})
    got = await end.read_until(b'{"type":"end"}')
    assert len(got) < 1000  # not 2001: the rest was merged, not kept
    for kind in ("counters", "beat"):
        assert [m["number"] for m in got if m["type"] == kind][-1] == 999


async def test_a_message_without_end_closes_the_channel(end: End) -> None:
    try:
        for _ in range(MAX_MESSAGE // (1 << 20) + 2):
            await end.write(b"x" * (1 << 20))
    except OSError:
        pass
    async with asyncio.timeout(30):
        await end.closed.wait()
    assert end.got == []


async def test_sending_after_the_end_does_nothing(end: End) -> None:
    end.peer.close()
    async with asyncio.timeout(30):
        await end.closed.wait()
    end.channel.send({"type": "late"})


def test_a_message_that_the_other_side_would_not_take_is_refused() -> None:
    with pytest.raises(ValueError, match="bytes, at most 16777216 can be sent"):
        encode({"type": "big", "blob": "x" * MAX_MESSAGE})
