"""What SHARED_STORE_URL means. Pure, and without the client library, which takes a while to load.

    redis://[[user]:password@]host[:6379][/database]                     one server
    redis+sentinel://[[user]:password@]host[:26379],host.../name[/database]    the primary that the sentinels name
    redis+cluster://[[user]:password@]host[:6379],host...                a cluster, by some of its nodes
    unix:///path                                                         one server of this machine

`valkey` is as `redis`; `rediss` and `valkeys` are by TLS, to the sentinels too. Behind a `?`: `db`, `ssl_ca_certs`,
`ssl_certfile`, `ssl_keyfile`, `ssl_cert_reqs`, `ssl_check_hostname`, `sentinel_username`, `sentinel_password`.
The URL holds secrets: no error quotes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote

Kind = Literal["server", "sentinel", "cluster", "unix"]

PLAIN: Final = ("redis", "valkey")
TLS: Final = ("rediss", "valkeys")
MOST_HOSTS: Final = 64
"""A cluster of a thousand nodes is found by a few of them."""
_KINDS: Final[Mapping[str, Kind]] = {"": "server", "sentinel": "sentinel", "cluster": "cluster"}
_PORTS: Final[Mapping[Kind, int]] = {"server": 6379, "sentinel": 26379, "cluster": 6379}
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")  # as Redis wants it
_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_WORDS: Final[Mapping[str, Mapping[str, object]]] = {
    "ssl_cert_reqs": {word: word for word in ("none", "optional", "required")},
    "ssl_check_hostname": {"true": True, "false": False},
}
_SENTINEL: Final = ("sentinel_username", "sentinel_password")


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """`name` is what the sentinels call the primary. `tls` None: without; else the options of the client library."""

    kind: Kind
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    name: str = ""
    database: int = 0
    tls: Mapping[str, object] | None = None
    user: Mapping[str, str] = field(default_factory=dict, repr=False)
    sentinel_user: Mapping[str, str] = field(default_factory=dict, repr=False)


def store_url(text: str) -> StoreUrl:
    """ValueError for one that is none, without the secrets in it."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme = ""
    location, _, query = rest.partition("?")
    if "#" in rest or any(character.isspace() for character in rest):
        raise ValueError("must have no blanks and no #: write what stands in a password as %20, %23")
    options = _options(query)
    if scheme == "unix":
        return _socket(location, options)
    kind, secure = _kind(scheme)
    authority, _, path = location.partition("/")
    user, _, named = authority.rpartition("@")
    hosts = _hosts(kind, named)
    tls = {name: value for name, value in options.items() if name.startswith("ssl_")}
    if tls and not secure:
        raise ValueError("has options of TLS: it must begin with rediss or valkeys")
    if kind != "sentinel" and any(name in options for name in _SENTINEL):
        raise ValueError("has options of sentinels and is not redis+sentinel://")
    name, database = _path(kind, path, options.get("db"))
    return StoreUrl(
        kind=kind,
        hosts=hosts,
        name=name,
        database=database,
        tls=tls if secure else None,
        user=_user(user),
        sentinel_user={key.removeprefix("sentinel_"): str(options[key]) for key in _SENTINEL if key in options},
    )


def _kind(scheme: str) -> tuple[Kind, bool]:
    base, _, suffix = scheme.partition("+")
    if base not in (*PLAIN, *TLS) or suffix not in _KINDS or scheme.endswith("+"):
        raise ValueError(
            "must begin with redis://, rediss://, redis+sentinel://, redis+cluster://, the same with valkey, or unix://"
        )
    return _KINDS[suffix], base in TLS


def _socket(location: str, options: Mapping[str, object]) -> StoreUrl:
    user, _, path = location.rpartition("@") if "@" in location.partition("/")[0] else ("", "", location)
    if not path.startswith("/") or path == "/":
        raise ValueError("must name a socket: unix:///path/of/the/socket")
    if options.keys() - {"db"}:
        raise ValueError("unix:// has no option but db")
    return StoreUrl("unix", path=unquote(path), database=_database(options.get("db", "")), user=_user(user))


def _hosts(kind: Kind, text: str) -> tuple[tuple[str, int], ...]:
    found = []
    parts = text.split(",")
    for number, part in enumerate(parts, 1):
        match = _HOST.fullmatch(part)
        port = int(match[2] or _PORTS[kind]) if match else 0
        if match is None or not 0 < port < 65536:
            which = f"its {number}. host" if len(parts) > 1 else "its host"
            raise ValueError(f"{which} is not host or host:port (what is special in a password: as %2F, %3F, %40)")
        found.append((match[1].strip("[]"), port))
    if kind == "server" and len(found) > 1:
        raise ValueError("names several hosts: are they redis+sentinel:// or redis+cluster://?")
    if len(found) > MOST_HOSTS:
        raise ValueError(f"names more than {MOST_HOSTS} hosts: a few are enough")
    return tuple(found)


def _path(kind: Kind, path: str, option: object) -> tuple[str, int]:
    """The primary's name, and the database."""
    name = ""
    if kind == "sentinel":
        name, _, path = path.partition("/")
        name = name or "mymaster"
        if not _NAME.fullmatch(name):
            raise ValueError("its path is not the name that the sentinels know: redis+sentinel://host,host/name")
    database = _database(path if option is None else option)
    if kind == "cluster" and database:
        raise ValueError("names a database: a cluster has none but 0")
    return name, database


def _database(said: object) -> int:
    text = str(said)
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise ValueError("its database is not a number: redis://host:6379/0")
    return int(text)


def _user(text: str) -> dict[str, str]:
    name, _, password = text.partition(":")
    given = {"username": unquote(name), "password": unquote(password)}
    return {key: value for key, value in given.items() if value}


def _options(query: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in _WORDS:
            if value.lower() not in _WORDS[name]:
                raise ValueError(f"its {name} is none of {', '.join(_WORDS[name])}")
            found[name] = _WORDS[name][value.lower()]
        elif name in (*_FILES, *_SENTINEL, "db"):
            found[name] = value
        else:
            known = ", ".join(("db", *_FILES, *_WORDS, *_SENTINEL))
            raise ValueError(f"has an option behind the ? that is none of {known}")
    return found
