"""What queueing theory knows exactly: M/M/k, Poisson arrivals, k equal servers, one queue."""

from __future__ import annotations


def waits(servers: int, offered: float) -> float:
    """Erlang C: the probability that an arrival waits; `offered` load in servers, below `servers`. By the recursion of
    Erlang B, which does not overflow."""
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    return blocked / (1.0 - offered / servers * (1.0 - blocked))


def mean_response(servers: int, arrivals: float, service: float) -> float:
    """Seconds from arrival to departure; `arrivals` a second, `service` seconds each."""
    offered = arrivals * service
    return service + waits(servers, offered) * service / (servers - offered)
