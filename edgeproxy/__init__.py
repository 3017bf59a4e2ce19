"""Edge proxy and load balancer for machines that volunteers lend.

The modules of the request's way are compiled at installation where a compiler is. `EDGEPROXY_PURE=1` runs their
sources instead: the same files, interpreted.
"""

from __future__ import annotations

import os
import sys

__version__ = "0.1.0"


def _prefer_sources() -> None:
    """Find this package's modules by their sources alone."""
    from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader

    class SourcesOnly:
        @staticmethod
        def find_spec(name: str, path: list[str] | None, target: object = None) -> ModuleSpec | None:
            if not name.startswith("edgeproxy.") or path is None:
                return None
            finders = (FileFinder(entry, (SourceFileLoader, [".py"])) for entry in path)
            return next((spec for finder in finders if (spec := finder.find_spec(name)) is not None), None)

    sys.meta_path.insert(0, SourcesOnly)  # type: ignore[arg-type]  # a class serves as a finder


if os.environ.get("EDGEPROXY_PURE") == "1":
    _prefer_sources()
