"""What is asked of every peer, and what we want our own figures to be: one file a kind of scenario."""

from bench.peers import Setup
from bench.scenarios.base import KIB, MIB, Column, Figures, Goal, Plan, Scenario, Target
from bench.scenarios.idle import Idle
from bench.scenarios.leave import Leave
from bench.scenarios.race import Race
from bench.scenarios.rate import Rate
from bench.scenarios.stream import Streams

SMALL = ("edgeproxy", "nginx", "haproxy", "caddy", "envoy", "aiohttp")
STOCK = ("nginx", "haproxy", "caddy", "envoy")
TUNED = ("nginx-128k", "haproxy-128k")
BULK = ("edgeproxy", *STOCK, *TUNED)
FASTEST = ("edgeproxy", "nginx", "haproxy")
GUARDED = "1 KiB GET with access log, rate limit and API key check"


SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Rate("get-1k", "1 KiB GET", SMALL, connections=64, download=KIB),
        Rate("get-1k-guarded", GUARDED, FASTEST, connections=64, download=KIB, setup=Setup(guarded=True)),
        Rate("get-1k-tls", "1 KiB GET over TLS", FASTEST, connections=64, download=KIB, setup=Setup(tls=True)),
        Rate("body-10m", "10 MiB response body", BULK, connections=8, download=10 * MIB),
        Rate("upload-10m", "10 MiB upload", BULK, connections=8, upload=10 * MIB),
        Rate("post-4k", "4 KiB POST", SMALL, connections=64, upload=4 * KIB, by_default=False),
        Streams(),
        Idle(),
        Leave(),
        Race(),
    )
}

GOALS = (
    Goal("get-1k", "cpu_us", 1.0, against=("nginx",)),
    Goal("get-1k", "cpu_us", 1.0, against=("haproxy",)),
    Goal("get-1k", "cpu_us", 0.25, against=("aiohttp",)),
    Goal("get-1k-guarded", "cpu_us", 1.0, against=("nginx",)),
    Goal("get-1k-guarded", "cpu_us", 1.0, against=("haproxy",)),
    Goal("get-1k-tls", "cpu_us", 1.05, against=("nginx",)),
    Goal("body-10m", "cpu_us", 0.7, against=STOCK),
    Goal("body-10m", "cpu_us", 0.7, against=TUNED),
    Goal("upload-10m", "cpu_us", 0.7, against=STOCK),
    Goal("upload-10m", "cpu_us", 0.7, against=TUNED),
    Goal("stream", "added_p99_ms", 2.0),
    Goal("stream", "kib", 16.0),
    Goal("idle", "kib", 4.0),
    Goal("leave", "p99_ms", 100.0),
    Goal("race", "get_errors", 0),
    Goal("race", "declared_errors", 0),
    Goal("race", "post_not_502", 0),
    Goal("race", "post_twice", 0),
)

__all__ = ["GOALS", "SCENARIOS", "Column", "Figures", "Goal", "Plan", "Scenario", "Target"]
