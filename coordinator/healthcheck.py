"""Whether the program that this container was started with serves: one health check for the one image."""

import sys
import urllib.request
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

FIRST_PROCESS = Path("/proc/1/cmdline")
TIMEOUT_S = 3.0
DEFAULTS = {
    "serve": ("EDGEPROXY_ADMIN_PORT", 9787),
    "balance": ("EDGEPROXY_ADMIN_PORT", 9090),
    "coordinator": ("COORDINATOR_PORT", 8080),
}


def healthcheck(environ: Mapping[str, str], command: Sequence[str] | None = None) -> int:
    """0 if it answers. The agent's health is its services', which it tells the coordinator: it need only be there."""
    program = which(first_command() if command is None else command)
    if program == "agent":
        return 0
    if program is None:
        print("error: process 1 is none of ours: set another health check", file=sys.stderr)
        return 1
    variable, default = DEFAULTS[program]
    url = f"http://127.0.0.1:{environ.get(variable) or default}/healthz"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            return 0 if answer.status == 200 else 1
    except OSError as error:
        print(f"error: {url} does not answer: {error}", file=sys.stderr)
        return 1


def first_command() -> list[str]:
    return [word.decode(errors="replace") for word in FIRST_PROCESS.read_bytes().split(b"\0") if word]


def which(command: Sequence[str]) -> str | None:
    """Which of the programs a command line starts, however it names it."""
    words = [Path(word).name for word in command]
    for package, subcommand, program in (
        ("edgeproxy", "serve", "serve"),
        ("edgeproxy", "balance", "balance"),
        ("coordinator", "serve", "coordinator"),
        ("coordinator", "agent", "agent"),
    ):
        if any(pair == (package, subcommand) for pair in pairwise(words)):
            return program
    return None
