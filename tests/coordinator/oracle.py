"""The best assignment there is, by a min-cost flow: what `placement` is measured by.

Source -> units of each service -> services -> workers -> sink. A unit earns its weight, a start costs 1, and
the weights are so far apart that the first units of services (by urgency) count most, then the units up to
each minimum, then the number of starts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx

from coordinator.fleet import Fleet, Member


@dataclass(frozen=True)
class Best:
    """Services that have somebody; units up to the minimum; starts."""

    covered: int
    units: int
    starts: int


def best(fleet: Fleet, workers: Sequence[Member]) -> Best:
    graph, rows = nx.DiGraph(), fleet.catalog.rows
    for rank, index in enumerate(fleet.catalog.urgency):
        minimum = rows[index].minimum
        if minimum:
            graph.add_edge("source", ("first", index), capacity=1, weight=-(10**6) * 2 ** (len(rows) - rank + 8))
            graph.add_edge(("first", index), index, capacity=1, weight=0)
        if minimum > 1:
            graph.add_edge("source", ("more", index), capacity=minimum - 1, weight=-(10**6))
            graph.add_edge(("more", index), index, capacity=minimum - 1, weight=0)
    for number, member in enumerate(workers):
        _add_worker(graph, fleet, f"w{number}", member)
    graph.add_edge("source", "sink", capacity=10**6, weight=0)
    flow = nx.max_flow_min_cost(graph, "source", "sink")
    return Best(
        covered=sum(flow["source"].get(("first", i), 0) for i in range(len(rows))),
        units=sum(n for node, n in flow["source"].items() if node != "sink"),
        starts=sum(
            flow[i].get(f"w{number}", 0)
            for i in range(len(rows))
            if i in flow
            for number, member in enumerate(workers)
            if not member.held >> i & 1
        ),
    )


def _add_worker(graph: "nx.DiGraph[object]", fleet: Fleet, name: str, member: Member) -> None:
    able = member.held | (member.kind.able if member.open else 0)
    slots = max(fleet.slots(member.kind), member.held.bit_count())
    graph.add_edge(name, "sink", capacity=slots, weight=0)
    for index in range(len(fleet.catalog)):
        if able >> index & 1:
            graph.add_edge(index, name, capacity=1, weight=0 if member.held >> index & 1 else 1)
