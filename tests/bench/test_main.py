"""The commands: what they refuse, and which scenarios they choose."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.__main__ import NAMES, _scenarios, app
from bench.report import as_json
from bench.scenarios import SCENARIOS
from bench.soak.__main__ import app as soak
from bench.suite import Round


def said(output: str) -> str:
    return " ".join(output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "nothing"], "no scenario 'nothing'; there are get-1k"),
        (["--peers", "nginx,apache"], "no peer 'apache'; there are edgeproxy"),
        (["users", "nobody"], "no users 'nobody'; there are chat"),
        (["page", "missing.json"], "No such file"),
    ],
)
def test_what_there_is_not_is_a_usage_error(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert words in said(done.output)


def test_an_unknown_fault_is_a_usage_error() -> None:
    done = CliRunner().invoke(soak, ["chaos", "--only", "rain"])
    assert done.exit_code == 2
    assert "no fault 'rain'; there are nothing" in said(done.output)


def test_curves_are_there_when_they_are_asked_for_or_named() -> None:
    default, curves = ({one.name for one in _scenarios([], wanted)} for wanted in (False, True))
    assert default == {name for name in NAMES if SCENARIOS[name].by_default}
    assert curves - default == SCENARIOS.keys() - set(NAMES)
    assert [one.name for one in _scenarios(["workers-4"], False)] == ["workers-4"]


def test_a_page_is_written_beside_its_result(tmp_path: Path) -> None:
    result = tmp_path / "20240101T000000Z.json"
    result.write_text(json.dumps(as_json([Round("get-1k", "nginx", {"cpu_us": 1.0})], [], {})))
    done = CliRunner().invoke(app, ["page", str(result)])
    assert done.exit_code == 0, done.output
    assert "1 KiB GET" in result.with_suffix(".html").read_text()
