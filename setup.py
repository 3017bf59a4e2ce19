"""Compiles the request's way where a compiler is; without one the same files run interpreted.

The sources stay plain Python: C types live in the `.pxd` beside each module (Cython's pure Python mode).
`EDGEPROXY_PURE=1` at build time leaves compilation out; at run time it makes the interpreted files run.
"""

from __future__ import annotations

import os
from pathlib import Path

from setuptools import Extension, setup

DIRECTIVES = {
    "language_level": "3",
    "annotation_typing": False,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
}


def extensions() -> list[Extension]:
    if os.environ.get("EDGEPROXY_PURE") == "1":
        return []
    try:
        from Cython.Build import cythonize
    except ImportError:
        return []
    typed = sorted(Path("edgeproxy").rglob("*.pxd"))
    modules = [
        Extension(".".join(path.with_suffix("").parts), [str(path.with_suffix(".py"))], optional=True)
        for path in typed
        if path.with_suffix(".py").exists()
    ]
    return cythonize(modules, compiler_directives=DIRECTIVES, nthreads=os.cpu_count() or 1, build_dir="build/cython")


setup(ext_modules=extensions(), options={"build_ext": {"parallel": os.cpu_count() or 1}})
