"""What runs leave in `bench/results/`: one JSON file a run of the peers, one a part for the goals of the other parts.

Every part of the bench (`bench.users`, `bench.guard`, ...) calls `leave_outcomes` with what it found of its goals,
named as in `goals.toml`; the page puts them all beside each other.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
GOALS_FILE = HERE / "goals.toml"

Result = dict[str, Any]
"""What a run of the peers leaves, see `report.as_json`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of the goal `goal`: `measured` in words, `met` None where it could not be measured, and why in `measured`."""

    goal: str
    measured: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class Goal:
    """A number that the project is built to. `part` is what measures it: a module `bench.PART`, or peers."""

    name: str
    area: str
    text: str
    part: str
    command: str


def goals() -> Iterator[Goal]:
    """In the order of the file."""
    for area, content in tomllib.loads(GOALS_FILE.read_text()).items():
        for name, text in content["goals"].items():
            yield Goal(name, area, text, content["part"], content["command"])


def leave(written: Result, directory: Path = RESULTS) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    target.write_text(json.dumps(written, indent=1) + "\n")
    return target


def read(path: Path) -> Result:
    """Raises OSError or ValueError where it is no result of a run."""
    found = json.loads(path.read_text())
    if not isinstance(found, dict) or "scenarios" not in found:
        raise ValueError(f"{path} is not a result of `python -m bench`")
    return found


def latest(directory: Path = RESULTS) -> Path | None:
    """The newest result of a run of the peers."""
    return max(directory.glob("*Z.json"), default=None)


def leave_outcomes(part: str, outcomes: Sequence[Outcome], directory: Path = RESULTS) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"goals-{part}.json"
    date = datetime.now(UTC).isoformat(timespec="seconds")
    target.write_text(json.dumps({"date": date, "outcomes": [asdict(one) for one in outcomes]}, indent=1) + "\n")
    return target


def outcomes(directory: Path = RESULTS) -> Mapping[str, Outcome]:
    """By goal, of all parts that have run here."""
    files = sorted(directory.glob("goals-*.json"), key=lambda path: path.stat().st_mtime)
    found = [Outcome(**one) for path in files for one in json.loads(path.read_text())["outcomes"]]
    return {one.goal: one for one in found}
