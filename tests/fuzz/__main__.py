"""`python -m tests.fuzz --seconds 60 --seed 1`: the HTTP of edgeproxy against llhttp, h11 and itself.

By coverage where atheris is: it needs the sources, so the way runs interpreted there; what it keeps is then read by
the compiled one too. Else, and with --plain, random changes from the seed alone. Exit code 1 and the smallest such
input where a property does not hold.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

INSTRUMENTED = ["edgeproxy.http", "edgeproxy.proxy.relay"]


def main() -> int:
    options = _options()
    if options.replay:
        return _replay(options.replay)
    if options.plain or not importlib.util.find_spec("atheris"):
        return _plain(options)
    if os.environ.get("EDGEPROXY_PURE") == "1":
        _guided(options)
    return _guided_then_compiled(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="how long (60)")
    parser.add_argument("--runs", type=int, help="how many inputs at most")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same inputs (1)")
    parser.add_argument("--corpus", type=Path, help="directory of inputs to go on from, which grows")
    parser.add_argument("--plain", action="store_true", help="without coverage")
    parser.add_argument("--replay", type=Path, help="check the inputs of a file or directory, no others")
    return parser.parse_args()


def _plain(options: argparse.Namespace) -> int:
    from tests.fuzz.loop import Found, plain

    try:
        done = plain(options.seed, options.runs, options.seconds)
    except Found as found:
        print(f"found: {found}", file=sys.stderr)
        return 1
    print(f"{done} inputs, nothing found")
    return 0


def _guided(options: argparse.Namespace) -> None:
    import atheris

    import edgeproxy  # noqa: F401  # first: its finder of sources must stand behind the one that instruments

    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.fuzz.loop import guided
    bounds = [f"-max_total_time={options.seconds}", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"]
    runs = [f"-runs={options.runs}"] if options.runs else []
    guided([f"-seed={options.seed}", *bounds, *runs, f"-artifact_prefix={options.corpus}/found-"], options.corpus)


def _guided_then_compiled(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="edgeproxy-fuzz-") as made:
        corpus = options.corpus or Path(made)
        corpus.mkdir(exist_ok=True)
        again = [sys.executable, "-m", "tests.fuzz", *sys.argv[1:], "--corpus", str(corpus)]
        code = subprocess.run(again, env=os.environ | {"EDGEPROXY_PURE": "1"}, check=False).returncode
        return 1 if code else _replay(corpus)


def _replay(source: Path) -> int:
    from tests.fuzz.loop import Found, checked

    files = sorted(source.iterdir()) if source.is_dir() else [source]
    for file in files:
        try:
            checked(file.read_bytes())
        except Found as found:
            print(f"found by {file.name}: {found}", file=sys.stderr)
            return 1
    print(f"{len(files)} inputs replayed, nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
