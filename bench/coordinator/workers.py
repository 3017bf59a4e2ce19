"""Workers that sign, each on a connection of its own, written so that they cost the measuring core little."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgeproxy.cluster import proof
from edgeproxy.cluster.messages import Challenge
from edgeproxy.cluster.signer import Signer

_HEAD = re.compile(rb"HTTP/1\.1 ([0-9]{3}) .*?Content-Length: ([0-9]+)\r\n", re.DOTALL)
KINDS = ("gpu", "cpu", "storage", "edge")


class WrongAnswer(Exception):
    """Another status than 200."""


class Line(asyncio.Protocol):
    """One connection, one question at a time. `on_answer` hears (status, body)."""

    def __init__(self) -> None:
        self.on_answer: Callable[[int, bytes], None] = lambda status, body: None
        self._transport: asyncio.WriteTransport | None = None
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def write(self, request: bytes) -> None:
        assert self._transport is not None
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        data = self._data + data
        end = data.find(b"\r\n\r\n")
        head = _HEAD.match(data) if end >= 0 else None
        if head is None or len(data) < (size := end + 4 + int(head[2])):
            self._data = data
            return
        self._data = data[size:]
        self.on_answer(int(head[1]), data[end + 4 : size])

    def ask(self, request: bytes) -> Awaitable[bytes]:
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def answered(status: int, body: bytes) -> None:
            if status == 200:
                future.set_result(body)
            else:
                future.set_exception(WrongAnswer(f"{status}: {body[:200]!r}"))

        self.on_answer = answered
        self.write(request)
        return future

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


@dataclass(slots=True)
class Worker:
    """One that signs; `number` makes its name, its kind and its address."""

    number: int
    signer: Signer
    line: Line

    @property
    def name(self) -> str:
        return f"worker-{self.number}"

    async def register(self) -> None:
        challenge = Challenge.model_validate(orjson.loads(await self.line.ask(request(b"GET", b"/v1/challenge"))))
        answer = orjson.loads(await self.line.ask(self.registration(challenge)))
        self.signer.accept(answer["session"])

    def registration(self, challenge: Challenge) -> bytes:
        """As an agent starts: nothing runs yet, heartbeats will tell."""
        body = orjson.dumps(
            {
                "worker_id": self.name,
                "tunnel_url": None,
                "capabilities": {
                    "worker_type": KINDS[self.number % 4],
                    "cpu_cores": 8,
                    "ram": "62GB",
                    "hostname": self.name,
                },
                "services": [],
            }
        )
        return request(
            b"POST", b"/api/worker/register", body, f"Worker-Signature: {self.signer.sign(challenge, body)}\r\n"
        )

    def heartbeat(self) -> bytes:
        port = 20_000 + self.number % 40_000
        body = (
            b'{"worker_id":"%b","status":"healthy","current_load":0.25,"services":[{"name":"notes-coa",'
            b'"service_url":"http://127.0.0.1:%d","port":%d,"health_path":"/health","status":"healthy"}],'
            b'"available_memory":"12.3GB","services_status":{"notes-coa":"healthy"}}'
        ) % (self.name.encode(), port, port)
        header = f"Worker-Proof: {self.signer.prove(proof.HEARTBEAT, body)}\r\n"
        return request(b"POST", b"/api/worker/heartbeat", body, header)


def request(method: bytes, path: bytes, body: bytes = b"", more: str = "") -> bytes:
    """With the fields that the agent's HTTP client sends."""
    content = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body) if body else b""
    return (
        b"%b %b HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAccept: application/json\r\nUser-Agent: edgeproxy\r\n"
        b"Accept-Encoding: gzip, deflate\r\nX-API-Key: bench\r\n%b%b\r\n%b"
        % (method, path, more.encode(), content, body)
    )


async def connect(host: str, port: int, count: int) -> list[Worker]:
    loop = asyncio.get_running_loop()
    workers = []
    for number in range(count):
        _, line = await loop.create_connection(Line, host, port)
        workers.append(Worker(number, Signer(Ed25519PrivateKey.generate()), line))
    return workers
