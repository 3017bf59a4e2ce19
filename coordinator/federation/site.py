"""A federation of real processes on one machine: for `make federation` and the tests.

Keys and the signed list are made in a directory; each region is `coordinator serve` with a port of its own.
"""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgeproxy.cluster.homes.directory import Directory
from edgeproxy.cluster.homes.trust import Bundle, Certificate, Role, public_name, sign_bundle, sign_certificate
from edgeproxy.cluster.signer import load_key

PRIMARY: Final = "core"
REGIONS: Final = ("eu", "us", "apac")
STOP_WITHIN: Final = 10.0


@dataclass
class Site:
    """`addresses` is where each coordinator listens, (host, port) by name; `through` where others reach it, if that is
    another place. `wrap` goes before a coordinator's command."""

    directory: Path
    addresses: dict[str, tuple[str, int]]
    through: dict[str, str] = field(default_factory=dict)
    wrap: dict[str, list[str]] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def prepare(self) -> None:
        """Keys, the bundle, a certificate for each, and every coordinator's own copy of the list."""
        keys = {name: load_key(self.directory / name / "coordinator.key") for name in self.addresses}
        root = load_key(self.directory / "root.key")
        self.root = public_name(root)
        now = datetime.now(UTC).timestamp()
        bundle = Bundle(1, now, now + 7 * 86_400, (public_name(keys[PRIMARY]),), (self.url(PRIMARY),))
        self.list = Directory(bundle, sign_bundle(bundle, root))
        for name, key in keys.items():
            self.list.add(sign_certificate(self._certificate(name, key, now), keys[PRIMARY]))
        for name in self.addresses:
            self.list_of(name).write_bytes(self.list.dump())

    def url(self, name: str) -> str:
        host, port = self.addresses[name]
        return self.through.get(name, f"http://{host}:{port}")

    def list_of(self, name: str) -> Path:
        return self.directory / name / "coordinators.json"

    def start(self, name: str) -> None:
        host, port = self.addresses[name]
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("COORDINATOR_", "EDGEPROXY_"))},
            "COORDINATOR_HOST": host,
            "COORDINATOR_PORT": str(port),
            "API_KEY": "federation",
            "COORDINATOR_IDENTITY": str(self.directory / name),
            "COORDINATOR_FEDERATION": str(self.list_of(name)),
            "COORDINATOR_TRUST": self.root,
            "COORDINATOR_REGION": name,
            "COORDINATOR_PUBLIC_URL": self.url(name),
            "COORDINATOR_STATE": str(self.directory / name / "registry"),
            "LOG_LEVEL": "warning",
            **self.environment,
        }
        with (self.directory / name / "log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*self.wrap.get(name, ()), sys.executable, "-m", "coordinator", "serve"],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """kill -9, the supervisor and its child."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_WITHIN)

    def pause(self, name: str, stopped: bool) -> None:
        os.killpg(self.processes[name].pid, signal.SIGSTOP if stopped else signal.SIGCONT)

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for name in list(self.processes):
            try:
                self.processes[name].wait(STOP_WITHIN)
                del self.processes[name]
            except subprocess.TimeoutExpired:
                self.kill(name)

    def _certificate(self, name: str, key: Ed25519PrivateKey, now: float) -> Certificate:
        role: Role = "primary" if name == PRIMARY else "regional"
        return Certificate(public_name(key), self.url(name), name, role, "operator", now, now + 86_400)
