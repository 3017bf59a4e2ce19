"""`coordinator keys`: the operator's tools. The root key stays on a machine that is not on the network.

coordinator keys new root.key                                   make a key, print its name
coordinator keys bundle --root root.key --primary NAME -o directory.json     and again: the next version
coordinator keys certify --key primary.key --name NAME --url URL --region eu directory.json
coordinator keys revoke --root root.key --name NAME directory.json
coordinator keys show directory.json --root NAME
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from edgeproxy.cluster.homes.directory import Directory

app = typer.Typer(help="Keys and the signed list of coordinators.", no_args_is_help=True, add_completion=False)

File = Annotated[Path, typer.Argument(help="the signed list of coordinators")]
Root = Annotated[list[Path], typer.Option("--root", help="root key; two while one is replaced by the other")]


@app.command()
def new(path: Annotated[Path, typer.Argument(help="file of the key, made readable by you alone")]) -> None:
    """Make a key, unless the file has one, and print its name (the public key)."""
    from edgeproxy.cluster.homes.trust import public_name
    from edgeproxy.cluster.signer import load_key

    try:
        typer.echo(public_name(load_key(path)))
    except (OSError, ValueError) as error:
        _fail(str(error))


@app.command()
def bundle(
    file: File,
    root: Root,
    primary: Annotated[list[str] | None, typer.Option(help="key of a primary; current and next")] = None,
    seed: Annotated[list[str] | None, typer.Option(help="URL that is asked first of all")] = None,
    revoke: Annotated[list[str] | None, typer.Option(help="key that is good no more")] = None,
    readers: Annotated[int | None, typer.Option(help="agents and edges that share the emergency store")] = None,
    days: Annotated[float, typer.Option(help="until it should be signed again")] = 7.0,
) -> None:
    """Sign the list anew: what is not given stays as it is, the version rises."""
    _sign(file, root, primary=primary, seed=seed, revoke=revoke, readers=readers, days=days)


@app.command()
def revoke(
    file: File, root: Root, name: Annotated[list[str], typer.Option(help="key of a coordinator that is good no more")]
) -> None:
    """Shut a coordinator out, on every machine that the new list reaches."""
    _sign(file, root, revoke=name)


@app.command()
def certify(
    file: File,
    key: Annotated[Path, typer.Option(help="the primary's key")],
    name: Annotated[str, typer.Option(help="the coordinator's key, as `keys new` prints it")],
    url: Annotated[str, typer.Option(help="where it is reached")],
    region: Annotated[str, typer.Option(help="where it stands")] = "",
    owner: Annotated[str, typer.Option(help="who lends it")] = "operator",
    days: Annotated[float, typer.Option(help="until it must be renewed")] = 1.0,
) -> None:
    """Admit a coordinator: it renews its certificate by itself from then on."""
    from edgeproxy.cluster.homes.trust import Certificate, Role, Untrusted, public_name, sign_certificate
    from edgeproxy.cluster.signer import load_key

    directory = _unchecked(file)
    now = datetime.now(UTC).timestamp()
    try:
        signer = load_key(key)
        role: Role = "primary" if name in directory.bundle.primaries else "regional"
        certificate = Certificate(name, url, region, role, owner, now, now + days * 86_400)
        if public_name(signer) not in directory.bundle.primaries:
            _fail(f"{key} is no primary's key of this list")
        directory.add(sign_certificate(certificate, signer), now)
        file.write_bytes(directory.dump())
    except (OSError, ValueError, Untrusted) as error:
        _fail(str(error))


@app.command()
def show(
    file: File, root: Annotated[list[str] | None, typer.Option(help="name of the root key it must be signed by")] = None
) -> None:
    """What is in a list, and whether it holds."""
    from edgeproxy.cluster.homes.directory import Directory
    from edgeproxy.cluster.homes.trust import Untrusted

    try:
        directory = Directory.open(file.read_bytes(), root) if root else _unchecked(file)
    except (OSError, Untrusted) as error:
        _fail(str(error))
    now = datetime.now(UTC).timestamp()
    bundle = directory.bundle
    typer.echo(f"version {bundle.version}, {'STALE: sign it again' if bundle.stale(now) else 'fresh'}")
    for name in bundle.primaries:
        typer.echo(f"primary   {name}")
    for name in bundle.revoked:
        typer.echo(f"revoked   {name}")
    for certificate in directory.certificates.values():
        state = "" if certificate.holds(now) else "  (expired)"
        typer.echo(f"{certificate.role:9} {certificate.name}  {certificate.region}  {certificate.url}{state}")


def _sign(
    file: Path,
    roots: list[Path],
    *,
    primary: list[str] | None = None,
    seed: list[str] | None = None,
    revoke: list[str] | None = None,
    readers: int | None = None,
    days: float = 7.0,
) -> None:
    from edgeproxy.cluster.homes.directory import Directory
    from edgeproxy.cluster.homes.trust import Bundle, Untrusted, open_bundle, public_name, sign_bundle
    from edgeproxy.cluster.signer import load_key

    old = _unchecked(file) if file.exists() else None
    before = old.bundle if old else Bundle(0, 0.0, 0.0, ())
    now = datetime.now(UTC).timestamp()
    revoked = tuple(dict.fromkeys([*before.revoked, *(revoke or ())]))
    primaries = tuple(name for name in primary or before.primaries if name not in revoked)
    if not primaries:
        _fail("a list needs a primary: --primary NAME")
    made = Bundle(
        before.version + 1,
        now,
        now + days * 86_400,
        primaries,
        tuple(seed or before.seeds),
        revoked,
        readers or before.readers,
        before.policy,
    )
    try:
        signers = [load_key(path) for path in roots]
        signed = sign_bundle(made, *signers)
        open_bundle(signed.dump(), {public_name(signers[0])})
        fresh = old.replaced(signed, made) if old else Directory(made, signed)
        file.write_bytes(fresh.dump())
    except (OSError, ValueError, Untrusted) as error:
        _fail(str(error))
    typer.echo(f"version {made.version}, good until {datetime.fromtimestamp(made.not_after, UTC):%Y-%m-%d %H:%M} UTC")


def _unchecked(file: Path) -> "Directory":
    """The operator's own file: whoever signed it."""
    import orjson

    from edgeproxy.cluster.homes.directory import Directory
    from edgeproxy.cluster.homes.trust import Untrusted, parse_object

    try:
        data = file.read_bytes()
        signatures = parse_object(orjson.loads(data)["bundle"]).signatures
        return Directory.open(data, set(signatures))
    except (OSError, Untrusted, ValueError, KeyError, TypeError) as error:
        _fail(f"{file}: {error}")


def _fail(message: str) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    raise SystemExit(1)
