"""What the bench must know of a peer: whether it is here, which version, how to start it."""

from __future__ import annotations

import os
import shutil
import string
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.certificate import Certificate

HERE = Path(__file__).parent
API_KEY = "6f1ed002ab5595859014ebf0951522d9"
"""What every request shows, whether it is checked or not."""
NO_LIMIT = 1_000_000
"""Requests a second: a rate limit that is counted and never reached."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a scenario wants of every peer beyond proxying.

    `guarded`: access log, rate limit and API key check. `cache`: answers that may be stored are. `streaming`: events
    and the client's end are passed on at once. `fleet`: each service has workers of its own, and a POST to the language
    model may be sent twice. `workers`: how many equal ones there are, each at an address of its own in 127.0.0.0/8.
    """

    guarded: bool = False
    tls: bool = False
    cache: bool = False
    streaming: bool = False
    fleet: bool = False
    workers: int = 1

    @property
    def hosts(self) -> list[str]:
        return [f"127.0.0.{number}" for number in range(1, self.workers + 1)]


@dataclass(frozen=True, slots=True)
class Site:
    """Where and how a peer runs: ports on 127.0.0.1, a directory for its files, what is on."""

    directory: Path
    port: int
    admin_port: int
    upstream_port: int
    setup: Setup = field(default_factory=Setup)
    certificate: Certificate | None = None

    @property
    def upstream(self) -> str:
        """The first worker, or the only one."""
        return self.upstreams[0]

    @property
    def upstreams(self) -> list[str]:
        return [f"http://{host}:{self.upstream_port}" for host in self.setup.hosts]


class Peer(ABC):
    """A reverse proxy that serves from one process. Its CPU is that of the whole tree under `command`."""

    name: str

    def absent(self, setup: Setup) -> str | None:
        """Why it cannot run here, set up like this; None if it can."""
        return None

    @abstractmethod
    def version(self) -> str: ...

    def caveat(self) -> str | None:
        """What makes its figures say little."""
        return None

    @abstractmethod
    def command(self, site: Site) -> list[str]:
        """The command line, which stays in the foreground; files that it needs are written here."""

    def environment(self, site: Site) -> dict[str, str]:
        return dict(os.environ)


class Packaged(Peer):
    """A program of the distribution or from a wheel, its configuration template in this directory.

    `arguments` stand before the path of the configuration; `version_flag` may be a command.
    """

    program: str
    template: str
    arguments: tuple[str, ...]
    version_flag = "-v"
    from_wheel: str | None = None

    def absent(self, setup: Setup) -> str | None:
        if self._find():
            return None
        remedy = f": pip install {self.from_wheel}" if self.from_wheel else ""
        return f"no {self.program} on this machine{remedy}"

    def version(self) -> str:
        command = [self.path(), self.version_flag]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        return " ".join((shown.stdout + shown.stderr).split("\n\n")[0].splitlines()[:2]).strip()

    def path(self) -> str:
        found = self._find()
        assert found, f"no {self.program}: ask absent() first"
        return found

    def command(self, site: Site) -> list[str]:
        configuration = site.directory / self.template
        template = _Template((HERE / self.template).read_text())
        ports = {"port": site.port, "upstream_port": site.upstream_port}
        configuration.write_text(template.substitute(self.fields(site), directory=site.directory, **ports))
        return [self.path(), *self.arguments, str(configuration)]

    def fields(self, site: Site) -> Mapping[str, str]:
        """What is filled into the template beside the ports and `directory`."""
        return {}

    def _find(self) -> str | None:
        own = str(Path(sys.executable).parent)
        return shutil.which(self.program, path=os.pathsep.join([own, os.environ.get("PATH", ""), "/usr/sbin"]))


class _Template(string.Template):
    """`@{name}`, because nginx has `$` for itself."""

    delimiter = "@"
