"""`python -m bench.federation --seeds 10000`: that many lives of a fleet; a line for each that broke a promise."""

import argparse
import json
import sys
from multiprocessing import Pool
from time import monotonic, process_time

from bench.federation.nemesis import Verdict, live


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    started, cpu = monotonic(), process_time()
    verdicts: list[Verdict] = []
    with Pool(options.processes) as pool:
        for verdict in pool.imap_unordered(live, range(options.first, options.first + options.seeds), chunksize=8):
            verdicts.append(verdict)
            if verdict.broken:
                broken, story = "; ".join(verdict.broken[:3]), ", ".join(verdict.story)
                print(f"seed {verdict.seed}: {broken}  <- {story}", flush=True)
    print(json.dumps(summary(verdicts, monotonic() - started, process_time() - cpu)))
    return 1 if any(verdict.broken for verdict in verdicts) else 0


def summary(verdicts: list[Verdict], seconds: float, cpu: float) -> dict[str, float]:
    times = sorted(at for verdict in verdicts for at in verdict.rehomed) or [0.0]
    converged = sorted(verdict.converged_after for verdict in verdicts)
    return {
        "seeds": len(verdicts),
        "broken": sum(bool(verdict.broken) for verdict in verdicts),
        "requests": sum(verdict.requests for verdict in verdicts),
        "user_errors": sum(verdict.user_errors for verdict in verdicts),
        "rehomed": len(times),
        "rehomed_p50": round(times[len(times) // 2], 2),
        "rehomed_p99": round(times[len(times) * 99 // 100], 2),
        "converged_p50": round(converged[len(converged) // 2], 2),
        "converged_max": round(converged[-1], 2),
        "seconds": round(seconds, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
