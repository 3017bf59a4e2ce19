"""What is asked of every peer, and what we want our own figures to be: one file a kind of scenario."""

from collections.abc import Iterator
from typing import Any

from bench.peers import Setup
from bench.scenarios.base import KIB, MIB, Column, Figures, Goal, Plan, Scenario, Target
from bench.scenarios.idle import Idle
from bench.scenarios.latency import Latency
from bench.scenarios.leave import Leave
from bench.scenarios.race import Race
from bench.scenarios.rate import Rate
from bench.scenarios.stream import Streams

SMALL = ("edgeproxy", "nginx", "haproxy", "caddy", "envoy", "aiohttp", "chp")
STOCK = ("nginx", "haproxy", "caddy", "envoy")
TUNED = ("nginx-128k", "haproxy-128k")
BULK = ("edgeproxy", *STOCK, *TUNED)
CACHES = ("edgeproxy", "nginx", "varnish")
FASTEST = ("edgeproxy", "nginx", "haproxy")
GUARDED = "1 KiB GET with access log, rate limit and API key check"


def _curves() -> Iterator[Rate]:
    """The figures as one thing grows and the rest stays: not by default, `--curves` asks for them."""
    for connections in (1, 8, 64, 256, 1024):
        title = f"1 KiB GET, {connections} connections"
        yield _point("connections", connections, title, connections=connections, download=KIB)
    for size in (KIB, 16 * KIB, 128 * KIB, MIB, 8 * MIB, 32 * MIB):
        yield _point("body", size, f"GET of {size // KIB} KiB", connections=8, download=size)
    for workers in (1, 4, 16, 64):
        title = f"1 KiB GET, {workers} workers"
        yield _point("workers", workers, title, connections=64, download=KIB, setup=Setup(workers=workers))


def _point(curve: str, at: int, title: str, **how: Any) -> Rate:
    return Rate(f"{curve}-{at}", title, FASTEST, by_default=False, curve=(curve, at), **how)


SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Rate("get-1k", "1 KiB GET", SMALL, connections=64, download=KIB),
        Rate("get-1k-guarded", GUARDED, FASTEST, connections=64, download=KIB, setup=Setup(guarded=True)),
        Rate("get-1k-tls", "1 KiB GET over TLS", FASTEST, connections=64, download=KIB, setup=Setup(tls=True)),
        Rate("cache-1k", "1 KiB GET from the cache", CACHES, connections=64, download=KIB, setup=Setup(cache=True)),
        Rate("body-10m", "10 MiB response body", BULK, connections=8, download=10 * MIB),
        Rate("upload-10m", "10 MiB upload", BULK, connections=8, upload=10 * MIB),
        Rate("post-4k", "4 KiB POST", SMALL, connections=64, upload=4 * KIB, by_default=False),
        Latency(),
        Streams(),
        Idle(),
        Leave(),
        Race(),
        *_curves(),
    )
}

GOALS = (
    Goal("get-1k", "cpu_us", 1.0, against=("nginx",), name="get-1k-nginx"),
    Goal("get-1k", "cpu_us", 1.0, against=("haproxy",), name="get-1k-haproxy"),
    Goal("get-1k", "cpu_us", 0.25, against=("aiohttp",), name="get-1k-aiohttp"),
    Goal("get-1k-guarded", "cpu_us", 1.0, against=("nginx",), name="get-1k-guarded-nginx"),
    Goal("get-1k-guarded", "cpu_us", 1.0, against=("haproxy",), name="get-1k-guarded-haproxy"),
    Goal("get-1k-tls", "cpu_us", 1.05, against=("nginx",), name="get-1k-tls-nginx"),
    Goal("cache-1k", "cpu_us", 0.5, against=("nginx",), name="cache-1k-nginx"),
    Goal("body-10m", "cpu_us", 0.6, against=("nginx",), name="body-10m-nginx"),
    Goal("body-10m", "cpu_us", 0.7, against=STOCK, name="body-10m-best"),
    Goal("body-10m", "cpu_us", 0.7, against=TUNED, name="body-10m-tuned"),
    Goal("upload-10m", "cpu_us", 0.7, against=STOCK, name="upload-10m-best"),
    Goal("upload-10m", "cpu_us", 0.7, against=TUNED, name="upload-10m-tuned"),
    Goal("stream", "added_p99_ms", 2.0, name="stream-added"),
    Goal("stream", "kib", 16.0, name="stream-memory"),
    Goal("idle", "kib", 4.0, name="idle-memory"),
    Goal("leave", "p99_ms", 100.0, name="leave-p99"),
    Goal("race", "get_errors", 0, name="race-get"),
    Goal("race", "declared_errors", 0, name="race-declared"),
    Goal("race", "post_not_502", 0, name="race-502"),
    Goal("race", "post_twice", 0, name="race-twice"),
)

__all__ = ["GOALS", "SCENARIOS", "Column", "Figures", "Goal", "Plan", "Scenario", "Target"]
