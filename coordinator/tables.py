"""`coordinator workers | gaps | services`: what the coordinator knows, as a table or as JSON.

What it prints comes from machines that we do not know: nothing but printable characters reaches the terminal.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgeproxy.cluster.client import CoordinatorClient, CoordinatorError
from edgeproxy.runtime.environment import EXIT_FAILURE

Column = tuple[str, Callable[[dict[str, Any]], object]]

WORKERS: Final[Sequence[Column]] = (
    ("worker", lambda row: row["worker_id"]),
    ("type", lambda row: row["worker_type"]),
    ("status", lambda row: row["status"]),
    ("heard", lambda row: f"{row['age_seconds']:.0f} s ago"),
    ("assigned", lambda row: ", ".join(row["assigned_services"])),
    ("running", lambda row: "(does not say)" if row.get("services") is None else _running(row["services"])),
)
GAPS: Final[Sequence[Column]] = (
    ("service", lambda row: row["service"]),
    ("needs", lambda row: row["required_type"]),
    ("priority", lambda row: row["priority"]),
    ("workers", lambda row: row["current_workers"]),
    ("status", lambda row: row["status"]),
)
SERVICES: Final[Sequence[Column]] = (
    ("service", lambda row: row["name"]),
    ("status", lambda row: row["status"]),
    ("healthy", lambda row: row["healthy_workers"]),
    ("workers", lambda row: ", ".join(row["workers"])),
)
COLOURS: Final = {
    "healthy": "green",
    "ok": "green",
    "degraded": "yellow",
    "warning": "yellow",
    "offline": "red",
    "critical": "red",
}


def show(what: str, columns: Sequence[Column], url: str, as_json: bool) -> int:
    """Ask for /api/admin/{what} and print it; the exit code."""
    try:
        body = asyncio.run(_ask(url, f"/api/admin/{what}"))
        if as_json:
            sys.stdout.buffer.write(orjson.dumps(body, option=orjson.OPT_INDENT_2) + b"\n")
        else:
            Console().print(_table(columns, _rows(body[what])))
    except CoordinatorError as error:
        return _failed(error.message)
    except (KeyError, TypeError, ValueError):
        return _failed(f"{url} answers, but not as a coordinator does")
    return 0


def _failed(message: str) -> int:
    print(f"error: {_printable(message)}", file=sys.stderr)
    return EXIT_FAILURE


async def _ask(url: str, path: str) -> Any:
    async with CoordinatorClient(url) as client:
        return await client.read(path)


def _rows(listed: Any) -> Iterable[dict[str, Any]]:
    return listed.values() if isinstance(listed, dict) else listed


def _table(columns: Sequence[Column], rows: Iterable[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, _ in columns:
        table.add_column(title)
    for row in rows:
        table.add_row(*(_cell(value(row)) for _, value in columns))
    return table


def _cell(value: object) -> Text:
    text = _printable(str(value))
    return Text(text, style=COLOURS.get(text, ""))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _running(services: list[dict[str, Any]]) -> str:
    return ", ".join(s["name"] if s["status"] == "healthy" else f"{s['name']} ({s['status']})" for s in services)
