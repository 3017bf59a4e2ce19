"""`coordinator workers | gaps | services | events`: what the coordinator knows, as a table or as JSON, once or live.

What it prints comes from machines that we do not know: nothing but printable characters reaches the terminal.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgeproxy.cluster.client import CoordinatorClient, CoordinatorError
from edgeproxy.runtime.environment import EXIT_FAILURE, EXIT_INTERRUPTED

Column = tuple[str, Callable[[dict[str, Any]], object]]


def _status(row: dict[str, Any]) -> str:
    """The word that says most; old coordinators have three."""
    return str(row.get("state") or row["status"])


WORKERS: Final[Sequence[Column]] = (
    ("worker", lambda row: row["worker_id"]),
    ("type", lambda row: row["worker_type"]),
    ("status", _status),
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
EVENTS: Final[Sequence[Column]] = (
    ("time", lambda row: row["at"][11:19]),
    ("event", lambda row: row["kind"]),
    ("worker", lambda row: row["worker_id"] or ""),
    ("status", lambda row: row["status"] or ""),
    ("detail", lambda row: row["detail"]),
)
REDRAW: Final = 2.0  # seconds: ages grow while nothing changes
WAIT: Final = 25.0
WIDEST: Final = 10_000
COLOURS: Final = {
    "healthy": "green",
    "ok": "green",
    "degraded": "yellow",
    "suspect": "yellow",
    "draining": "yellow",
    "warning": "yellow",
    "offline": "red",
    "critical": "red",
}


def show(what: str, columns: Sequence[Column], url: str, as_json: bool, watch: bool = False) -> int:
    """Ask for /api/admin/{what} and print it, with `watch` again whenever it changes; the exit code."""
    page = _Page(what, columns, as_json, watch, watch and not as_json and Console().is_terminal)
    return _run(_watch(url, page) if watch else _once(url, page), url)


def show_events(url: str, last: int, as_json: bool, watch: bool) -> int:
    """The last events, and with `watch` those that follow."""
    return _run(_events(url, last, as_json, watch), url)


def _run(work: Coroutine[Any, Any, None], url: str) -> int:
    try:
        asyncio.run(work)
    except CoordinatorError as error:
        return _failed(error.message)
    except (KeyError, TypeError, ValueError, IndexError):
        return _failed(f"{url} answers, but not as a coordinator does")
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return 0


@dataclass(frozen=True, slots=True)
class _Page:
    """`live`: a terminal, on which each picture takes the place of the one before."""

    what: str
    columns: Sequence[Column]
    as_json: bool
    watched: bool
    live: bool

    async def draw(self, client: CoordinatorClient) -> None:
        body = await client.read(f"/api/admin/{self.what}")
        if self.as_json:
            _print_json(body, indent=not self.watched)
            return
        console = _console()
        if self.live:
            console.clear()
        console.print(_table(self.columns, _rows(body[self.what])))


async def _once(url: str, page: _Page) -> None:
    async with CoordinatorClient(url) as client:
        await page.draw(client)


async def _watch(url: str, page: _Page) -> None:
    """Drawn anew with every change; a coordinator that goes away is waited for."""
    mark: str | None = None
    async with CoordinatorClient(url) as client:
        while True:
            try:
                mark = (await client.changes(mark, REDRAW if page.live else WAIT)).mark
                await page.draw(client)
            except CoordinatorError as error:
                if mark is None or error.status is not None:
                    raise
                _failed(error.message)
                await asyncio.sleep(REDRAW)


async def _events(url: str, last: int, as_json: bool, watch: bool) -> None:
    async with CoordinatorClient(url) as client:
        here = (await client.read("/v1/events"))["mark"]
        epoch, _, revision = here.rpartition("-")
        mark = f"{epoch}-{max(0, int(revision) - last)}"
        wait = 0.0
        while True:
            page = await client.events(mark, wait)
            _print_events(page, as_json)
            mark = page["mark"]
            if not page["events"]:
                if not watch:
                    return
                wait = WAIT


def _print_events(page: dict[str, Any], as_json: bool) -> None:
    if page["reset"]:
        _failed("older events are not known any more")
    if as_json:
        for event in page["events"]:
            _print_json(event, indent=False)
    elif page["events"]:
        _console().print(_table(EVENTS, page["events"], header=False))


def _console() -> Console:
    """What goes into a pipe or a file has one line a row, whatever its length."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDEST)


def _print_json(body: Any, indent: bool) -> None:
    option = orjson.OPT_APPEND_NEWLINE | (orjson.OPT_INDENT_2 if indent else 0)
    sys.stdout.buffer.write(orjson.dumps(body, option=option))
    sys.stdout.buffer.flush()


def _failed(message: str) -> int:
    print(f"error: {_printable(message)}", file=sys.stderr)
    return EXIT_FAILURE


def _rows(listed: Any) -> Iterable[dict[str, Any]]:
    return listed.values() if isinstance(listed, dict) else listed


def _table(columns: Sequence[Column], rows: Iterable[dict[str, Any]], header: bool = True) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=header)
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
