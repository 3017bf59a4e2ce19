"""Many random lives of a fleet, each from its seed: what was promised and broken, as figures and as goals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import Pool
from time import monotonic

from bench.federation.nemesis import CONVERGE_WITHIN, Verdict, live
from bench.results import Outcome


@dataclass(frozen=True, slots=True)
class Lives:
    verdicts: list[Verdict]
    seconds: float

    @property
    def broken(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.broken]

    def summary(self) -> dict[str, float]:
        times = sorted(at for verdict in self.verdicts for at in verdict.rehomed) or [0.0]
        converged = sorted(verdict.converged_after for verdict in self.verdicts)
        return {
            "seeds": len(self.verdicts),
            "broken": len(self.broken),
            "requests": sum(verdict.requests for verdict in self.verdicts),
            "user_errors": sum(verdict.user_errors for verdict in self.verdicts),
            "rehomed": len(times),
            "rehomed_p50": round(times[len(times) // 2], 2),
            "rehomed_p99": round(times[len(times) * 99 // 100], 2),
            "converged_p50": round(converged[len(converged) // 2], 2),
            "converged_max": round(converged[-1], 2),
            "seconds": round(self.seconds, 1),
        }

    def outcomes(self) -> Iterator[Outcome]:
        lost = [verdict.seed for verdict in self.broken if any(one.startswith("I1") for one in verdict.broken)]
        yield Outcome("lost", f"in {len(lost)} of {len(self.verdicts)} random lives", not lost)
        found = self.summary()
        errors = f"{found['user_errors']} of {found['requests']:,} requests, in {len(self.verdicts)} random lives"
        yield Outcome("user-errors", errors, not found["user_errors"])
        usual = [verdict.converged_after for verdict in self.verdicts if not verdict.loss] or [float("inf")]
        lossy = [verdict.converged_after for verdict in self.verdicts if verdict.loss]
        words = f"{max(usual):.2f} s at most, {found['converged_p50']:.2f} s in the median"
        words += f"; {max(lossy):.2f} s where packets were lost too" if lossy else ""
        yield Outcome("converge", words, max(usual) <= CONVERGE_WITHIN)


def lived(seeds: range, processes: int) -> Lives:
    """Prints a line for each that broke a promise."""
    started, verdicts = monotonic(), []
    with Pool(processes) as pool:
        for verdict in pool.imap_unordered(live, seeds, chunksize=8):
            verdicts.append(verdict)
            if verdict.broken:
                broken, story = "; ".join(verdict.broken[:3]), ", ".join(verdict.story)
                print(f"seed {verdict.seed}: {broken}  <- {story}", flush=True)
    return Lives(verdicts, monotonic() - started)
