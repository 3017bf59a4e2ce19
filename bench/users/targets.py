"""What users may expect: each locust file states it, each run prints it as met or missed, and a miss is exit code 1."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.users import RESULT

MISSED = 1
PERCENTILES = (0.5, 0.95, 0.99, 1.0)


@dataclass(frozen=True, slots=True)
class Target:
    """The percentile `share` of a request or moment, named as locust's table names it, is at most `ms`."""

    kind: str
    name: str
    ms: float
    share: float = 0.95

    def __str__(self) -> str:
        return f"{self.name} ({self.kind}), p{self.share * 100:g} <= {self.ms:g} ms"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`measured` is in ms, None where there was no such request."""

    target: str
    measured: float | None
    met: bool

    def __str__(self) -> str:
        shown = "nothing measured" if self.measured is None else f"{self.measured:g} ms"
        return f"{'met' if self.met else 'missed':<6}  {self.target}: {shown}"


def judge(targets: Sequence[Target], stats: Any) -> list[Outcome]:
    """Against locust's statistics. That nothing fails is always a target."""
    found = [_judged(target, stats.get(target.name, target.kind)) for target in targets]
    total = stats.total
    clean = total.num_requests > 0 and total.num_failures == 0
    failures = f"no failures: {total.num_failures} of {total.num_requests}"
    return [*found, Outcome(failures, float(total.max_response_time), clean)]


def _judged(target: Target, entry: Any) -> Outcome:
    if not entry.num_requests:
        return Outcome(str(target), None, False)
    measured = float(entry.get_response_time_percentile(target.share))
    return Outcome(str(target), measured, measured <= target.ms)


def expect(*targets: Target) -> None:
    """To be called once by a locust file."""
    from locust import events

    def when_quitting(environment: Any, **_: Any) -> None:
        if environment.parsed_options and environment.parsed_options.worker:
            return  # the master has everybody's numbers
        outcomes = judge(targets, environment.stats)
        print("\n".join(map(str, outcomes)), flush=True)
        if not all(outcome.met for outcome in outcomes):
            environment.process_exit_code = MISSED
        if path := os.environ.get(RESULT):
            Path(path).write_text(json.dumps(_as_json(outcomes, environment.stats)))

    events.quitting.add_listener(when_quitting)  # type: ignore[no-untyped-call]


def _as_json(outcomes: Sequence[Outcome], stats: Any) -> dict[str, Any]:
    entries = sorted(stats.entries.values(), key=lambda entry: (entry.method or "", entry.name))
    return {
        "targets": [asdict(outcome) for outcome in outcomes],
        "requests": [
            {
                "kind": entry.method,
                "name": entry.name,
                "count": entry.num_requests,
                "failures": entry.num_failures,
                "ms": {f"p{share * 100:g}": entry.get_response_time_percentile(share) for share in PERCENTILES},
            }
            for entry in entries
        ],
    }
