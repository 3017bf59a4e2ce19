"""The form of log lines, in a process of its own: the set-up is global."""

import json
import os
import subprocess
import sys

import pytest

from edgeproxy.runtime.environment import ConfigurationError
from edgeproxy.runtime.logs import configure_logs

PROGRAM = """
import logging
from edgeproxy.runtime.logs import configure_logs, get_logger
configure_logs()
get_logger("ours").info("child ended", pid=7, path={b"raw"})
get_logger("ours").debug("quiet")
logging.getLogger("theirs").warning("of %s", "aiohttp")
try:
    1 / 0
except ZeroDivisionError:
    get_logger("ours").exception("failed")
"""


def output(**environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_lines_are_json_where_no_terminal_is() -> None:
    ours, theirs, failed = [json.loads(line) for line in output().splitlines()]
    assert (ours["event"], ours["pid"], ours["level"], ours["logger"]) == ("child ended", 7, "info", "ours")
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("of aiohttp", "warning", "theirs")
    assert "ZeroDivisionError" in failed["exception"]


def test_the_level_and_the_form_can_be_chosen() -> None:
    text = output(LOG_LEVEL="DEBUG", LOG_FORMAT="console")
    assert "quiet" in text
    assert "child ended" in text
    assert not text.startswith("{")


@pytest.mark.parametrize("variable", ["LOG_LEVEL", "LOG_FORMAT"])
def test_a_wrong_variable_is_told(variable: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{variable}=loud: must be one of "):
        configure_logs({variable: "loud"})
