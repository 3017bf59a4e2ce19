"""Shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compiled modules older than their sources would make every result a lie."""
    if os.environ.get("EDGEPROXY_PURE") == "1":
        return
    package = Path(__file__).parent.parent / "edgeproxy"
    stale = [
        compiled.name
        for compiled in package.rglob("*.so")
        for source in (compiled.with_name(compiled.name.split(".")[0] + suffix) for suffix in (".py", ".pxd"))
        if source.exists() and source.stat().st_mtime > compiled.stat().st_mtime
    ]
    if stale:
        pytest.exit(f"compiled before the last change: {', '.join(sorted(set(stale)))}; run `make install`", 1)
