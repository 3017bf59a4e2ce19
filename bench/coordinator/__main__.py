"""`python -m bench.coordinator [heartbeats | registrations | changes | forgeries ...]`: JSON lines.

The coordinator has one core, what asks it another. Figures by CPU time are its own; latencies are those of a machine
that does nothing else.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable

import orjson
import uvloop

from bench.coordinator import outcomes
from bench.coordinator.changes import changes
from bench.coordinator.forgeries import COUNT, forgeries
from bench.coordinator.heartbeats import heartbeats
from bench.coordinator.program import Coordinator, coordinator
from bench.coordinator.registrations import registrations
from bench.measure import choose_cores, pinned, raise_descriptor_limit

ON_SOCKETS: dict[str, Callable[[Coordinator], Awaitable[dict[str, float]]]] = {
    "heartbeats": heartbeats,
    "registrations": registrations,
    "changes": changes,
}


async def _measure(name: str) -> dict[str, float]:
    cores = choose_cores()
    with pinned(cores.load):
        async with coordinator(cores.proxy, API_KEY="bench") as target:
            return await ON_SOCKETS[name](target)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.coordinator")
    parser.add_argument(
        "what", nargs="*", default=[*ON_SOCKETS, "forgeries"], metavar="|".join([*ON_SOCKETS, "forgeries"])
    )
    parser.add_argument("--messages", type=int, default=COUNT, help="forged messages")
    given = parser.parse_args()
    raise_descriptor_limit()
    failed = False
    for name in given.what:
        if name == "forgeries":
            figures = forgeries(given.messages)
            failed |= figures["accepted"] > 0
        else:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                figures = runner.run(_measure(name))
        outcomes.leave(name, figures)
        sys.stdout.buffer.write(orjson.dumps({"name": name, **figures}, option=orjson.OPT_APPEND_NEWLINE))
        sys.stdout.flush()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
