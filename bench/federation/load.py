"""What a federation costs and how fast it is: 10,000 workers in five regions under the virtual clock, and real code's
CPU.
"""

import os
import resource
from dataclasses import replace
from statistics import quantiles
from time import process_time
from typing import Any, Final

import orjson

from coordinator.federation.changes import Changes
from coordinator.federation.link import Peer
from coordinator.federation.messages import decode, encode
from coordinator.federation.node import Node
from coordinator.federation.record import Claim, Record
from coordinator.federation.view import View
from edgeproxy.cluster.homes.failover import Failover, place

REGIONS: Final = ("r1", "r2", "r3", "r4", "r5")
WORKERS: Final = 10_000
CHURN: Final = 10.0  # changes a second in the whole fleet: each worker one in a quarter of an hour
STEP: Final = 0.05
LEG: Final = 0.03
BODY: Final = orjson.dumps({"worker_id": "w", "tunnel_url": "http://10.0.0.1:8105", "capabilities": {"a": "x" * 100}})
FACTS: Final = orjson.dumps({"worker_id": "w", "status": "healthy", "services": [{"name": "llm", "x": "y" * 300}]})


class Regions:
    """A primary and five regions; messages take LEG seconds, and cross as bytes."""

    def __init__(self) -> None:
        self.now = 0.0
        self.nodes = {name: Node(name, 1) for name in REGIONS}
        self.nodes["p"] = Node("p", 1, "primary")
        self.cpu = dict.fromkeys(self.nodes, 0.0)
        self.bytes = self.messages = 0
        self.queue: list[tuple[float, Any]] = []
        peers = [Peer(name, "primary" if name == "p" else "regional", name) for name in self.nodes]
        for name, node in self.nodes.items():
            node.know([peer for peer in peers if "p" in (name, peer.name)])

    def run(self, seconds: float, each: Any = None) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = round(self.now + STEP, 6)
            due = [call for at, call in self.queue if at <= self.now]
            self.queue = [(at, call) for at, call in self.queue if at > self.now]
            for call in due:
                call()
            if each:
                each()
            for name in self.nodes:
                self._turn(name)

    def _spend(self, name: str, work: Any) -> Any:
        started = process_time()
        result = work()
        self.cpu[name] += process_time() - started
        return result

    def _turn(self, name: str) -> None:
        node = self.nodes[name]

        def turn() -> list[tuple[Peer, bytes]]:
            node.advance(self.now)
            return [(peer, encode(message)) for peer, message in node.poll(self.now)]

        for peer, data in self._spend(name, turn):
            self._send(name, peer.name, data)

    def _send(self, source: str, target: str, data: bytes) -> None:
        self.messages += 1
        self.bytes += len(data)

        def arrive() -> None:
            answer = self._spend(target, lambda: encode(self.nodes[target].receive(decode(data), self.now)))
            self.bytes += len(answer)
            self.queue.append(
                (
                    self.now + LEG,
                    lambda: self._spend(source, lambda: self.nodes[source].answered(target, decode(answer), self.now)),
                )
            )

        self.queue.append((self.now + LEG, arrive))


def steady() -> dict[str, float]:
    """The primary's CPU with 10,000 workers in five regions, and how long a change takes from region to region."""
    fleet = Regions()
    records: dict[str, Record] = {}
    for number in range(WORKERS):
        home = REGIONS[number % len(REGIONS)]
        node = fleet.nodes[home]
        record = Record(f"{number:043d}", home, 1, 1, 1, node.observation(), FACTS, Claim("v1;" + "s" * 230, BODY))
        node.publish(record, 0.0)
        records[record.key] = record
    fleet.run(30.0)
    assert all(len(node.view) == WORKERS for node in fleet.nodes.values())
    fleet.cpu = dict.fromkeys(fleet.nodes, 0.0)
    fleet.bytes = fleet.messages = 0
    waiting: dict[str, tuple[int, float]] = {}
    delays: list[float] = []
    budget = 0.0

    def each() -> None:
        nonlocal budget
        known = fleet.nodes["r2"].view.records
        arrived = [key for key, (seq, _) in waiting.items() if known[key].seq >= seq]
        delays.extend(fleet.now - waiting.pop(key)[1] for key in arrived)
        budget += CHURN * STEP
        while budget >= 1:
            budget -= 1
            key = f"{int(place(str(fleet.now + budget)) * WORKERS):043d}"
            home = records[key].home
            node = fleet.nodes[home]
            records[key] = replace(records[key], seq=node.observation(), up=not records[key].up)
            node.publish(records[key], fleet.now)
            if home == "r1":
                waiting[key] = (records[key].seq, fleet.now)

    seconds = 120.0
    fleet.run(seconds, each)
    cuts = quantiles(delays, n=100)
    return {
        "primary_core_percent": round(100 * fleet.cpu["p"] / seconds, 3),
        "region_core_percent": round(100 * fleet.cpu["r1"] / seconds, 3),
        "messages_per_s": round(fleet.messages / seconds, 1),
        "kbytes_per_s": round(fleet.bytes / seconds / 1000, 1),
        "propagation_p50_s": round(cuts[49], 3),
        "propagation_p95_s": round(cuts[94], 3),
        "propagation_p99_s": round(cuts[98], 3),
    }


def orphans() -> dict[str, float]:
    """10,000 workers of one coordinator that dies: when each claims at its backup, and the peak of claims."""
    times = []
    for number in range(WORKERS):
        failover = Failover(f"w{number}", "eu", ("us", "apac", "core"), workers=WORKERS, accept_rate=2000.0)
        failover.missed(place(f"w{number}", "break") * 0.1)
        failover.missed(failover.step(0.0).at)
        times.append(failover.step(0.0).at)
    seconds = [0] * 70
    for at in times:
        seconds[int(at)] += 1
    cuts = quantiles(times, n=100)
    return {
        "claim_p50_s": round(cuts[49], 2),
        "claim_p99_s": round(cuts[98], 2),
        "claims_peak_over_accept_rate": round(max(seconds) / 2000, 3),
    }


def million() -> dict[str, float]:
    """A primary's view of 1,000,000 workers, with their changes log. Records of one text for all: what workers say is
    on top, 0.5 to 1 KB each."""
    before = _rss()
    view, changes = View(), Changes(1)
    started = process_time()
    for number in range(1_000_000):
        record = Record(f"{number:043d}", f"r{number % 50}", 1, 1, 1, number, FACTS, Claim("v1", BODY))
        view.put(record, 0.0)
        changes.note(record.key)
    return {
        "million_mib": round((_rss() - before) / 1024),
        "million_us_each": round((process_time() - started), 2),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _rss() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
