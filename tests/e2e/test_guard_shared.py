"""One limit over two machines by a real Redis, which is killed and comes back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.e2e.processes import Backend, Proxy, free_port
from tests.redis import Redis


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(free_port(), tmp_path)
    yield server
    server.stop()


def flood(edges: list[Proxy], seconds: float) -> Counter[int]:
    """What four clients on each edge get that ask again and again."""
    end = time.monotonic() + seconds

    def ask(edge: Proxy) -> Counter[int]:
        got: Counter[int] = Counter()
        with httpx.Client() as client:
            while time.monotonic() < end:
                got[client.get(f"{edge.url}/who").status_code] += 1
        return got

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(ask, edges * 2), Counter())


def lost(edge: Proxy) -> float:
    page = httpx.get(f"{edge.admin_url}/metrics").text
    lines = [line for line in page.splitlines() if line.startswith('edgeproxy_faults_total{fault="shared_store_away"}')]
    return float(lines[0].rpartition(" ")[2]) if lines else 0.0


def test_two_machines_share_a_limit_and_go_on_without_the_store(
    backend: Callable[..., Backend], proxy: Callable[..., Proxy], redis: Redis
) -> None:
    settings = {
        "EDGEPROXY_UPSTREAMS": backend().url,
        "EDGEPROXY_RATE_LIMIT": "50/second;burst=10",
        "EDGEPROXY_PROCESSES": "1",
        "SHARED_STORE_URL": redis.url,
    }
    edges = [proxy("serve", **settings), proxy("serve", **settings)]
    flood(edges, 1.5)  # the bursts are spent
    together = flood(edges, 4.0)
    assert together[429] > 0
    assert 50 * 4 * 0.8 < together[200] < 50 * 4 * 1.2, together

    redis.kill()
    alone = flood(edges, 3.0)
    assert alone[200] > 50 * 3 * 1.4, f"each machine goes on by its own limit: {alone}"
    assert set(alone) <= {200, 429}
    deadline = time.monotonic() + 5
    while not all(lost(edge) for edge in edges):
        assert time.monotonic() < deadline, "no metric says that the store is away"
        time.sleep(0.1)

    redis.start()
    time.sleep(1.2)
    flood(edges, 1.5)
    again = flood(edges, 4.0)
    assert 50 * 4 * 0.8 < again[200] < 50 * 4 * 1.2, again
