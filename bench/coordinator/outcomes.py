"""What the figures of `bench.coordinator` and `bench.registry` say of the goals of `goals.toml`."""

from collections.abc import Callable, Mapping

from bench.results import Outcome, leave_outcomes

Figures = Mapping[str, float]


def _registrations(found: Figures) -> Outcome:
    words = f"p95 {found['p95_ms']:.1f} ms at {found['rate']:.0f}/s, {found['cpu_us']:.0f} us of CPU each"
    return Outcome("register-p95", words, found["p95_ms"] <= 5 and found["rate"] >= 1500)


def _heartbeats(found: Figures) -> Outcome:
    words = f"{found['per_core']:,.0f} a second of one core, {found['microseconds']:.0f} us each"
    return Outcome("heartbeats", words, found["per_core"] >= 12_000)


def _changes(found: Figures) -> Outcome:
    return Outcome("change-feed", f"p99 {found['p99_ms']:.0f} ms", found["p99_ms"] <= 200)


def _memory(found: Figures) -> Outcome:
    words = f"{found['bytes_per_worker']:.0f} bytes, {found['workers']:.0f} workers {found['resident_mib']:.1f} MiB"
    fits = found["bytes_per_worker"] <= 1024 and found["resident_mib"] <= 100
    return Outcome("worker-memory", words, fits)


def _assignment(found: Figures) -> Outcome:
    words = f"{found['joining_ms']:.0f} ms for {found['workers']:.0f} workers, a repair {found['repair_ms']:.1f} ms"
    return Outcome("assignment", words, found["joining_ms"] <= 200)


def _quiet(found: Figures) -> Outcome:
    words = f"{found['state_file_writes']:.0f} writes in {found['heartbeats']:.0f} heartbeats"
    return Outcome("coordinator-writes", words, found["state_file_writes"] == 0)


def _forgeries(found: Figures) -> Outcome:
    """Fewer than a million can miss the goal, not meet it."""
    words = f"{found['accepted']:.0f} of {found['messages']:,.0f} accepted"
    met = False if found["accepted"] else True if found["messages"] >= 1_000_000 else None
    return Outcome("forgeries", words, met)


_OF_ONE: Mapping[str, Callable[[Figures], Outcome]] = {
    "registrations": _registrations,
    "heartbeats": _heartbeats,
    "changes": _changes,
    "forgeries": _forgeries,
    "memory": _memory,
    "assignment": _assignment,
    "quiet": _quiet,
}


def deaths(paths: Mapping[str, Figures]) -> Outcome:
    """Met only if it is on every way that a machine can die, and nobody who lives was called dead."""
    words = "; ".join(f"{path}: p50 {found['p50']:.1f} s, p99 {found['p99']:.1f} s" for path, found in paths.items())
    in_time = all(found["p50"] <= 5.5 and found["p99"] <= 9 for found in paths.values())
    return Outcome("death-heartbeats", words, in_time and not any(found["false"] for found in paths.values()))


def killed(found: Figures) -> Outcome:
    words = f"median {found['median']:.2f} s, worst {found['worst']:.2f} s of {found['deaths']:.0f}"
    return Outcome("death-connection", words, found["worst"] <= 1)


def leave(name: str, found: Figures) -> None:
    """A file for each, so that a run of one part leaves what the others found."""
    if (judge := _OF_ONE.get(name)) is not None:
        leave_outcomes(f"coordinator-{name}", [judge(found)])
