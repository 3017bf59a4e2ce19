"""What the bench must know of a peer: whether it is here, which version, how to start it."""

from __future__ import annotations

import os
import shutil
import string
import subprocess
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Site:
    """Where a peer runs: its ports on 127.0.0.1, the backend's, and a directory for its files."""

    directory: Path
    port: int
    admin_port: int
    upstream_port: int

    @property
    def upstream(self) -> str:
        return f"http://127.0.0.1:{self.upstream_port}"


class Peer(ABC):
    """A reverse proxy that serves from one process. Its CPU is that of the whole tree under `command`."""

    name: str
    for_bulk = False
    """Measured with large bodies only: elsewhere it differs from another peer in nothing."""

    def absent(self) -> str | None:
        """Why it cannot run here; None if it can."""
        return None

    @abstractmethod
    def version(self) -> str: ...

    @abstractmethod
    def command(self, site: Site) -> list[str]:
        """The command line, which stays in the foreground; files that it needs are written here."""

    def environment(self, site: Site) -> dict[str, str]:
        return dict(os.environ)


class Packaged(Peer):
    """A program of the distribution, its configuration template in this directory.

    With `for_bulk` its buffers make large bodies cheap, for 128 KiB and more a connection; without, they are
    of the size that the distribution gives them.
    """

    program: str
    template: str

    def __init__(self, for_bulk: bool = False) -> None:
        self.for_bulk = for_bulk
        self.name = f"{self.program}-128k" if for_bulk else self.program

    def absent(self) -> str | None:
        return None if self._find() else f"no {self.program} on this machine"

    def version(self) -> str:
        shown = subprocess.run([self.path(), "-v"], capture_output=True, text=True, timeout=10, check=True)
        return (shown.stdout + shown.stderr).splitlines()[0]

    def path(self) -> str:
        found = self._find()
        assert found, f"no {self.program}: ask absent() first"
        return found

    def write_configuration(self, site: Site, **fields: str) -> Path:
        target = site.directory / self.template
        template = _Template((HERE / self.template).read_text())
        ports = {"port": site.port, "upstream_port": site.upstream_port}
        target.write_text(template.substitute(fields, directory=site.directory, **ports))
        return target

    def _find(self) -> str | None:
        return shutil.which(self.program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


class _Template(string.Template):
    """`@{name}`, because nginx has `$` for itself."""

    delimiter = "@"
