"""The command line. Heavy imports stand inside the commands, so that `--help` is quick."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from edgeproxy import __version__
from edgeproxy.runtime.environment import EXIT_FAILURE, EXIT_USAGE, ConfigurationError, load, run_or_exit
from edgeproxy.settings import PREFIX, BalancerSettings, ProxySettings

Mode = Literal["serve", "balance"]
MODES: dict[Mode, type[ProxySettings]] = {"serve": ProxySettings, "balance": BalancerSettings}


def _variables(settings: type[ProxySettings]) -> str:
    """The table of variables for `--help`, from the settings themselves."""
    rows = []
    for field in settings.model_fields.values():
        default = field.default
        shown = ",".join(default) if isinstance(default, tuple) else default
        rows.append(f"  {field.validation_alias!s:31}{'' if shown is None else shown!s:>24}  {field.description}")
    return "\b\nVariables (a flag comes before the variable; NAME_FILE reads it from a file):\n" + "\n".join(rows)


app = typer.Typer(
    name="edgeproxy",
    help="Edge proxy and load balancer. Everything is set by environment variables; flags override them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 160},
)

Host = Annotated[str | None, typer.Option(help="address to listen on [EDGEPROXY_HOST]")]
Port = Annotated[int | None, typer.Option(help="port to listen on [EDGEPROXY_PORT]")]
AdminPort = Annotated[int | None, typer.Option(help="port of the admin listener [EDGEPROXY_ADMIN_PORT]")]
Processes = Annotated[int | None, typer.Option(help="serving processes [EDGEPROXY_PROCESSES]")]
Upstreams = Annotated[str | None, typer.Option(help="comma list of URLs to serve alone [EDGEPROXY_UPSTREAMS]")]
CoordinatorUrl = Annotated[str | None, typer.Option(help="where the worker list comes from [COORDINATOR_URL]")]


@app.command(epilog=_variables(ProxySettings))
def serve(
    host: Host = None,
    port: Port = None,
    admin_port: AdminPort = None,
    processes: Processes = None,
    upstreams: Upstreams = None,
    coordinator_url: CoordinatorUrl = None,
) -> None:
    """Run the edge proxy: users' requests to the workers that the coordinator lists."""
    _run("serve", locals())


@app.command(epilog=_variables(BalancerSettings))
def balance(
    host: Host = None,
    port: Port = None,
    admin_port: AdminPort = None,
    processes: Processes = None,
    upstreams: Upstreams = None,
    coordinator_url: CoordinatorUrl = None,
) -> None:
    """Run the load balancer: every request to one of a pool of equal workers."""
    _run("balance", locals())


def _run(mode: Mode, flags: dict[str, Any]) -> None:
    def main() -> int:
        from edgeproxy.runtime.logs import configure_logs

        configure_logs()
        settings = load(MODES[mode], prefix=PREFIX, flags=flags)
        from edgeproxy.host import run

        return run(settings, _as_environment(MODES[mode], flags))

    run_or_exit(main)


def _as_environment(settings: type[ProxySettings], flags: dict[str, Any]) -> dict[str, str]:
    """Flags as variables, so that the processes read the same settings."""
    fields = {name: variable for variable, name in settings.variables().items()}
    return {fields[name]: str(value) for name, value in flags.items() if value is not None}


@app.command()
def check(mode: Annotated[str, typer.Argument(help="serve or balance")] = "serve") -> None:
    """Check the settings and print what is in force, secrets hidden. Exit code 78 if one is wrong."""

    def main() -> int:
        if mode not in MODES:
            print(f"error: {mode} is not serve or balance", file=sys.stderr)
            return EXIT_USAGE
        settings = load(MODES["balance" if mode == "balance" else "serve"], prefix=PREFIX, flags={})
        for variable, name in settings.variables().items():
            value = getattr(settings, name)
            print(f"{variable}={','.join(value) if isinstance(value, tuple) else '' if value is None else value}")
        from edgeproxy.discovery.policy_file import read_text

        if settings.policy is not None:
            try:
                read_text(settings.policy)
            except ValueError as error:
                raise ConfigurationError(f"EDGEPROXY_POLICY={settings.policy}: {error}") from None
        if settings.tls_files is not None:
            _check_certificate(*settings.tls_files)
        return 0

    run_or_exit(main)


def _check_certificate(certificate: Path, key: Path) -> None:
    """Say what users will be shown; warn of what will soon be wrong, refuse what is wrong already."""
    from datetime import UTC, datetime

    from edgeproxy.net.certificates import CERTIFICATE, PairFiles, day

    pair = PairFiles(certificate, key).read()
    names = ", ".join(pair.names) or "none: clients will refuse it"
    print(f"certificate: subject {pair.subject}; names {names}; valid until {day(pair.not_after)}")
    now = datetime.now(UTC)
    if fault := pair.fault(now):
        raise ConfigurationError(f"{CERTIFICATE}={certificate}: {fault}")
    if warning := pair.warning(now):
        print(f"warning: {CERTIFICATE}={certificate}: {warning}", file=sys.stderr)


@app.command()
def key(name: Annotated[str, typer.Argument(help="whose key it is, as logs and metrics shall call it")]) -> None:
    """Make a key: it goes to its owner, the lines below it into the file of EDGEPROXY_POLICY."""
    import secrets
    from hashlib import sha256

    made = secrets.token_urlsafe(32)
    print(f'# {made}\n[keys.{name}]\nsha256 = "{sha256(made.encode()).hexdigest()}"')


@app.command()
def healthcheck(mode: Annotated[str, typer.Argument(help="serve or balance")] = "serve") -> None:
    """Ask the local admin listener's /healthz: exit code 0 if it answers (for container health checks)."""

    def main() -> int:
        import urllib.request

        settings = load(MODES["balance" if mode == "balance" else "serve"], prefix=PREFIX, flags={})
        host = "127.0.0.1" if settings.admin_host in ("0.0.0.0", "") else settings.admin_host
        try:
            with urllib.request.urlopen(f"http://{host}:{settings.admin_port}/healthz", timeout=3) as answer:
                return 0 if answer.status == 200 else EXIT_FAILURE
        except OSError as error:
            print(f"error: no answer from the admin listener: {error}", file=sys.stderr)
            return EXIT_FAILURE

    run_or_exit(main)


@app.command()
def version() -> None:
    """Print the version, and whether the request's way runs compiled or interpreted."""
    from edgeproxy.net import client

    compiled = not str(client.__file__).endswith(".py")
    print(f"edgeproxy {__version__} ({'compiled' if compiled else 'interpreted'}), Python {sys.version.split()[0]}")


@app.command(hidden=True)
def worker(mode: str) -> None:
    """One serving process; started by the supervisor."""

    def main() -> int:
        from edgeproxy.runtime.child import run_child
        from edgeproxy.runtime.logs import configure_logs
        from edgeproxy.serving import serve as serve_child

        configure_logs()
        settings = load(MODES["balance" if mode == "balance" else "serve"], prefix=PREFIX, flags={})
        return run_child(lambda child: serve_child(child, settings))

    run_or_exit(main)


def main() -> None:
    """The console script."""
    app()
