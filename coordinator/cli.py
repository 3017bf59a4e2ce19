"""The command `coordinator`. Heavy imports are inside the commands, so that --help is quick."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coordinator.agent.settings import PREFIXES, AgentSettings
from coordinator.federation.keys import app as keys_app
from coordinator.settings import CoordinatorSettings, OperatorSettings, ReaderSettings, variables_help
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
Watch = Annotated[bool, typer.Option("--watch", help="again with every change, until Ctrl-C")]
WorkerId = Annotated[str, typer.Argument(help="the worker, as `coordinator workers` names it")]
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
def agent(
    explain: Annotated[
        bool, typer.Option("--explain", help="only print what this machine would join as, and why")
    ] = False,
) -> None:
    """Run the agent of this machine: join the fleet, run what the coordinator assigns. SIGUSR1 takes the machine
    back at once, SIGUSR2 lends it again."""

    def main() -> int:
        configure_logs()
        settings = load(AgentSettings, prefix=PREFIXES, flags={})
        if explain:
            from coordinator.agent.explain import explain as print_explanation

            return print_explanation(settings)
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
def workers(url: Url = None, json: Json = False, watch: Watch = False) -> None:
    """The workers that the coordinator remembers."""
    from coordinator.tables import WORKERS

    _show("workers", WORKERS, url, json, watch)


@app.command(epilog=VARIABLES + variables_help(ReaderSettings))
def gaps(url: Url = None, json: Json = False, watch: Watch = False) -> None:
    """How well each service is covered, the worst first."""
    from coordinator.tables import GAPS

    _show("gaps", GAPS, url, json, watch)


@app.command(epilog=VARIABLES + variables_help(ReaderSettings))
def services(url: Url = None, json: Json = False, watch: Watch = False) -> None:
    """Who runs each service."""
    from coordinator.tables import SERVICES

    _show("services", SERVICES, url, json, watch)


@app.command(epilog=VARIABLES + variables_help(ReaderSettings))
def events(
    url: Url = None,
    json: Json = False,
    watch: Watch = False,
    last: Annotated[int, typer.Option(min=0, max=10_000, help="how many of those that have happened")] = 50,
) -> None:
    """What changed in the fleet, the oldest first."""

    def main() -> int:
        from coordinator.tables import show_events

        return show_events(load(ReaderSettings, prefix=PREFIX, flags={"url": url}).url, last, json, watch)

    run_or_exit(main)


@app.command(epilog=VARIABLES + variables_help(OperatorSettings))
def drain(worker_id: WorkerId, url: Url = None) -> None:
    """Move a worker's services to others, and give it no new ones."""
    _order("drain", worker_id, url)


@app.command(epilog=VARIABLES + variables_help(OperatorSettings))
def cordon(worker_id: WorkerId, url: Url = None) -> None:
    """Leave a worker what it runs, and give it nothing new."""
    _order("cordon", worker_id, url)


@app.command(epilog=VARIABLES + variables_help(OperatorSettings))
def resume(worker_id: WorkerId, url: Url = None) -> None:
    """End a worker's cordon or drain."""
    _order("resume", worker_id, url)


@app.command(epilog=VARIABLES + variables_help(OperatorSettings))
def revoke(worker_id: WorkerId, url: Url = None) -> None:
    """Put a worker out, and never accept its key again."""
    _order("revoke", worker_id, url)


@app.command(epilog=VARIABLES + variables_help(OperatorSettings))
def remove(worker_id: WorkerId, url: Url = None) -> None:
    """Forget a worker. It may come back, with another key too."""
    _order("remove", worker_id, url)


@app.command(epilog=VARIABLES + variables_help(OperatorSettings))
def export(
    file: Annotated[Path | None, typer.Argument(help="where to write it; default: standard output")] = None,
    url: Url = None,
) -> None:
    """The list of workers with the coordinator's signature."""

    def main() -> int:
        from coordinator.orders import export

        return export(file, load(OperatorSettings, prefix=PREFIX, flags={"url": url}))

    run_or_exit(main)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="an export")],
    trusted: Annotated[
        str | None, typer.Option("--by", help="the public key that must have signed it (/v1/coordinator shows it)")
    ] = None,
) -> None:
    """Check an export's signature and print what was signed."""

    def main() -> int:
        from coordinator.orders import verify

        return verify(file, trusted)

    run_or_exit(main)


def _order(what: str, worker_id: str, url: str | None) -> None:
    def main() -> int:
        from coordinator.orders import order

        return order(what, worker_id, load(OperatorSettings, prefix=PREFIX, flags={"url": url}))

    run_or_exit(main)


def _show(what: str, columns: Sequence["Column"], url: str | None, json: bool, watch: bool) -> None:
    def main() -> int:
        from coordinator.tables import show

        return show(what, columns, load(ReaderSettings, prefix=PREFIX, flags={"url": url}).url, json, watch)

    run_or_exit(main)


@app.command()
def healthcheck() -> None:
    """Whether what this container was started with serves: exit code 0 if so."""
    import os

    from coordinator.healthcheck import healthcheck as check

    raise typer.Exit(check(os.environ))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"coordinator {__version__}")


def main() -> Any:
    return app()
