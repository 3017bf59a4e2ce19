"""The command `coordinator`. Heavy imports are inside the commands, so that --help is quick."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coordinator.agent.settings import PREFIXES, AgentSettings
from coordinator.federation.keys import app as keys_app
from coordinator.settings import CoordinatorSettings, ReaderSettings, variables_help
from edgeproxy import __version__
from edgeproxy.runtime.environment import load, run_or_exit
from edgeproxy.runtime.logs import configure_logs

if TYPE_CHECKING:
    from coordinator.tables import Column

PREFIX = "COORDINATOR_"

app = typer.Typer(
    help="The registry of a fleet of lent machines, and the agent that runs on each of them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

VARIABLES = "Variables (NAME_FILE reads a value from a file; a flag wins):\n\n"
COMMON = (
    "\n\nLOG_LEVEL: debug, info, warning or error (default info)"
    "\n\nLOG_FORMAT: json or console (default: console on a terminal)"
)

Url = Annotated[str | None, typer.Option("--url", help="the coordinator (env COORDINATOR_URL)")]
Json = Annotated[bool, typer.Option("--json", help="print JSON, not a table")]


@app.command(
    epilog=VARIABLES
    + variables_help(CoordinatorSettings)
    + "\n\nCOORDINATOR_CONFIG: TOML file that sets any of these"
    + COMMON
)
def serve(
    host: Annotated[str | None, typer.Option(help="address to listen on (env COORDINATOR_HOST)")] = None,
    port: Annotated[int | None, typer.Option(help="port to listen on (env COORDINATOR_PORT)")] = None,
    open: Annotated[
        bool | None, typer.Option("--open", help="without API_KEY, let anybody join (env COORDINATOR_OPEN)")
    ] = None,
) -> None:
    """Run the coordinator: who is in the fleet, who is alive, who runs what."""

    def main() -> int:
        configure_logs()
        settings = load(CoordinatorSettings, prefix=PREFIX, flags={"host": host, "port": port, "open": open or None})
        from coordinator.assemble import serve

        return serve(settings)

    run_or_exit(main)


@app.command(epilog=VARIABLES + variables_help(AgentSettings) + COMMON)
def agent() -> None:
    """Run the agent of this machine: join the fleet, run what the coordinator assigns."""

    def main() -> int:
        configure_logs()
        settings = load(AgentSettings, prefix=PREFIXES, flags={})
        from coordinator.agent.run import run

        return run(settings)

    run_or_exit(main)


app.add_typer(keys_app, name="keys")


@app.command(hidden=True)
def worker() -> None:
    """The process that the supervisor of `serve` starts."""

    def main() -> int:
        configure_logs()
        settings = load(CoordinatorSettings, prefix=PREFIX, flags={})
        from coordinator.assemble import serve_child
        from edgeproxy.runtime.child import run_child

        return run_child(lambda child: serve_child(child, settings))

    run_or_exit(main)


@app.command(epilog=VARIABLES + variables_help(ReaderSettings))
def workers(url: Url = None, json: Json = False) -> None:
    """The workers that the coordinator remembers."""
    from coordinator.tables import WORKERS

    _show("workers", WORKERS, url, json)


@app.command(epilog=VARIABLES + variables_help(ReaderSettings))
def gaps(url: Url = None, json: Json = False) -> None:
    """How well each service is covered, the worst first."""
    from coordinator.tables import GAPS

    _show("gaps", GAPS, url, json)


@app.command(epilog=VARIABLES + variables_help(ReaderSettings))
def services(url: Url = None, json: Json = False) -> None:
    """Who runs each service."""
    from coordinator.tables import SERVICES

    _show("services", SERVICES, url, json)


def _show(what: str, columns: Sequence["Column"], url: str | None, json: bool) -> None:
    def main() -> int:
        from coordinator.tables import show

        return show(what, columns, load(ReaderSettings, prefix=PREFIX, flags={"url": url}).url, json)

    run_or_exit(main)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"coordinator {__version__}")


def main() -> Any:
    return app()
