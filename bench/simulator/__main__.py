"""`python -m bench.simulator [--requests N] [--seeds N] [--plot FILE]`: check it, then study the strategies."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.results import Outcome, leave_outcomes
from bench.simulator.check import against_erlang
from bench.simulator.study import LOADS, plot, study, table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.simulator", description=__doc__)
    parser.add_argument("--requests", type=int, default=40_000, help="requests of a run")
    parser.add_argument("--seeds", type=int, default=10, help="runs of each strategy under each load")
    parser.add_argument("--load", action="append", choices=list(LOADS), help="only this load; may be repeated")
    parser.add_argument("--plot", type=Path, help="write the plot here, as SVG")
    options = parser.parse_args()
    checked = against_erlang()
    for check in checked:
        print(check)
    worst = max(check.error for check in checked)
    holds = all(check.holds for check in checked)
    leave_outcomes("simulator", [Outcome("erlang", f"{worst:.2%} off at most, over {len(checked)} systems", holds)])
    if not holds:
        print("error: the simulator does not agree with Erlang C: its figures are worth nothing", file=sys.stderr)
        return 1
    results = study(options.load or LOADS, options.requests, options.seeds)
    print(table(results))
    if options.plot:
        plot(results, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
