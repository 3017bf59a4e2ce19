"""python -m bench.registry [memory | assignment | deaths | quiet | real]: the numbers, as JSON, one a line."""

import asyncio
import json
import signal
import sys
from collections.abc import Mapping

from bench.coordinator import outcomes
from bench.registry import assignment, deaths, memory, quiet, real
from bench.results import leave_outcomes

PARTS = {
    "memory": lambda: {"memory": memory.measure()},
    "assignment": lambda: {"assignment": assignment.measure()},
    "deaths": lambda: {
        "machine refuses": deaths.measure("refused"),
        "machine swallows": deaths.measure("silent"),
        "behind NAT, connection breaks": deaths.measure(None, breaks=True),
        "behind NAT": deaths.measure(None),
    },
    "quiet": lambda: {"quiet": asyncio.run(quiet.measure())},
    "real": lambda: {
        "killed, connection breaks": asyncio.run(real.measure(signal.SIGKILL, 8)),
        "stopped, connection stays": asyncio.run(real.measure(signal.SIGSTOP, 8)),
    },
}


def _leave(name: str, found: Mapping[str, Mapping[str, float]]) -> None:
    match name:
        case "deaths":
            leave_outcomes("coordinator-deaths", [outcomes.deaths(found)])
        case "real":
            leave_outcomes("coordinator-real", [outcomes.killed(found["killed, connection breaks"])])
        case _:
            outcomes.leave(name, found[name])


def main(names: list[str]) -> None:
    for name in names or list(PARTS):
        found = PARTS[name]()
        _leave(name, found)
        for what, numbers in found.items():
            rounded = {key: round(value, 3) for key, value in numbers.items()}
            print(json.dumps({what: rounded}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
