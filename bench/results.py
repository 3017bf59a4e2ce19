"""What runs leave in `bench/results/`: one JSON file a run of the peers, one a part for the goals of the other parts.

Every part of the bench (`bench.users`, `bench.guard`, ...) calls `leave_outcomes` with what it found of its goals,
named as in `goals.toml`; the page puts them all beside each other.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
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
    date: str = field(default="", compare=False)
    """When; filled in as it is left."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A number that the project is built to. `part` is what measures it: a module `bench.PART`, or peers; `command`
    runs that, `quick` a short form, `apart` says that it is too long to be run with all others."""

    name: str
    area: str
    text: str
    part: str
    command: str
    quick: str
    apart: bool


def goals() -> Iterator[Goal]:
    """In the order of the file."""
    for area, content in tomllib.loads(GOALS_FILE.read_text()).items():
        for name, text in content["goals"].items():
            command = content["command"]
            quick, apart = content.get("quick", command), content.get("apart", False)
            yield Goal(name, area, text, content["part"], command, quick, apart)


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


def leave_outcomes(part: str, outcomes: Iterable[Outcome], directory: Path = RESULTS) -> Path:
    """What the part has left of other goals stays: a run of a few of its figures says nothing of the rest."""
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"goals-{part}.json"
    date = datetime.now(UTC).isoformat(timespec="seconds")
    new = {one.goal: {**asdict(one), "date": date} for one in outcomes}
    kept = {one["goal"]: one for one in _left(target)} if target.exists() else {}
    target.write_text(json.dumps({"outcomes": list((kept | new).values())}, indent=1) + "\n")
    return target


def outcomes(directory: Path = RESULTS) -> Mapping[str, Outcome]:
    """By goal, of all parts that have run here."""
    found = sorted((one for path in directory.glob("goals-*.json") for one in _left(path)), key=lambda one: one["date"])
    return {one["goal"]: Outcome(one["goal"], one["measured"], one["met"], one["date"]) for one in found}


def _left(path: Path) -> list[dict[str, Any]]:
    content = json.loads(path.read_text())
    return [{"date": content.get("date", ""), **one} for one in content["outcomes"]]
