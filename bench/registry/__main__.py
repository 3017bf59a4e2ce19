"""python -m bench.registry [memory | assignment | deaths | quiet | real]: the numbers, as JSON, one a line."""

import asyncio
import json
import signal
import sys

from bench.registry import assignment, deaths, memory, quiet, real

PARTS = {
    "memory": lambda: {"memory": memory.measure()},
    "assignment": lambda: {"assignment": assignment.measure()},
    "deaths": lambda: {
        "machine refuses": deaths.measure("refused"),
        "machine swallows": deaths.measure("silent"),
        "behind NAT": deaths.measure(None),
    },
    "quiet": lambda: {"quiet": asyncio.run(quiet.measure())},
    "real": lambda: {
        "killed, connection breaks": asyncio.run(real.measure(signal.SIGKILL, 8)),
        "stopped, connection stays": asyncio.run(real.measure(signal.SIGSTOP, 8)),
    },
}


def main(names: list[str]) -> None:
    for name in names or list(PARTS):
        for what, numbers in PARTS[name]().items():
            rounded = {key: round(value, 3) for key, value in numbers.items()}
            print(json.dumps({what: rounded}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
