"""The types beside the sources: what a compiled module hides, no other module may import."""

from __future__ import annotations

import ast
import re
from pathlib import Path

PACKAGE = Path(__file__).parent.parent.parent / "edgeproxy"
HIDDEN = re.compile(r"^cdef (?!class\b)(?:[a-zA-Z]+ )+([A-Za-z_, ]+)$", re.MULTILINE)


def module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def hidden() -> dict[str, set[str]]:
    """Names that are C variables of their own module: invisible to Python once compiled."""
    return {
        module(path): {name.strip() for names in HIDDEN.findall(path.read_text()) for name in names.split(",")}
        for path in PACKAGE.rglob("*.pxd")
    }


def imports() -> list[tuple[str, str, str]]:
    """(importing file, module, name) of every `from edgeproxy... import name` in the tree, tests included."""
    found = []
    for path in [*PACKAGE.rglob("*.py"), *PACKAGE.parent.joinpath("tests").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("edgeproxy"):
                found += [(str(path), node.module, alias.name) for alias in node.names]
    return found


def test_the_pattern_finds_what_is_there() -> None:
    assert "_CR" in hidden()["edgeproxy.http.scan"]


def test_nothing_hidden_is_imported() -> None:
    known = hidden()
    wrong = [row for row in imports() if row[2] in known.get(row[1], ())]
    assert wrong == []
