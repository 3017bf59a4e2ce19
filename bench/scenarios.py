"""What is asked of every peer, and what we want our own figures to be beside theirs."""

from __future__ import annotations

from dataclasses import dataclass

from bench.backend import payload

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of request, in a closed loop over `connections` keep-alive connections.

    `download` and `upload` are body sizes in bytes; an upload is answered with its size in digits.
    `by_default` is false for what runs only when it is named.
    """

    name: str
    title: str
    connections: int
    download: int = 0
    upload: int = 0
    by_default: bool = True

    @property
    def body_bytes(self) -> int:
        """What throughput counts."""
        return self.upload or self.download

    @property
    def bulk(self) -> bool:
        return self.body_bytes >= MIB

    def request(self) -> bytes:
        """The whole request, body included: a head of the size that an API client sends."""
        start = b"POST /upload" if self.upload else b"GET /bytes/%d" % self.download
        framing = b"Content-Length: %d\r\n" % self.upload if self.upload else b""
        return start + _FIELDS + framing + b"\r\n" + payload(self.upload)

    def answer(self) -> bytes:
        """The body that must come back, byte for byte."""
        return b"%d" % self.upload if self.upload else payload(self.download)


_FIELDS = (
    b" HTTP/1.1\r\n"
    b"Host: edge.example\r\n"
    b"User-Agent: bench/1 (closed loop)\r\n"
    b"Accept: application/json, */*;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\n"
    b"Accept-Language: en-GB,en;q=0.8\r\n"
    b"Authorization: Bearer 6f1ed002ab5595859014ebf0951522d9\r\n"
)

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("get-1k", "1 KiB GET", connections=64, download=KIB),
        Scenario("body-10m", "10 MiB response body", connections=8, download=10 * MIB),
        Scenario("post-4k", "4 KiB POST", connections=64, upload=4 * KIB, by_default=False),
        Scenario("upload-10m", "10 MiB upload", connections=8, upload=10 * MIB, by_default=False),
    )
}


@dataclass(frozen=True, slots=True)
class Goal:
    """`peer` costs at most `at_most` times the CPU of the cheapest of `against` in `scenario`."""

    scenario: str
    at_most: float
    against: tuple[str, ...]
    peer: str = "edgeproxy"


GOALS = (
    Goal("get-1k", 1.6, against=("nginx",)),
    Goal("get-1k", 0.25, against=("aiohttp",)),
    Goal("body-10m", 0.6, against=("nginx",)),
)
