"""Several real Redis servers that belong together: a primary with its replica and three sentinels; a cluster."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

from redis import Redis as Client
from redis.exceptions import RedisError

from tests.redis import Redis

WITHIN = 30.0
SLOTS = 16384


def wait_until(holds: Callable[[], bool], what: str, within: float = WITHIN) -> None:
    """An error of the client library is a no."""
    end = time.monotonic() + within
    while not _answer(holds):
        assert time.monotonic() < end, f"not within {within:g} s: {what}"
        time.sleep(0.05)


def _answer(holds: Callable[[], bool]) -> bool:
    try:
        return holds()
    except RedisError:
        return False


def ask(server: Redis, *words: str | int, password: str = "") -> object:
    with Client(port=server.port, password=password or None, socket_timeout=5, decode_responses=True) as client:
        return client.execute_command(*words)


def _ports(count: int) -> list[int]:
    """Free ones whose port for the cluster's own talk, 10,000 beyond, is free too."""
    found: list[int] = []
    held = []
    while len(found) < count:
        sock, beyond = socket.socket(), socket.socket()
        held += [sock, beyond]
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        try:
            beyond.bind(("127.0.0.1", port + 10_000))
        except (OSError, OverflowError):
            continue
        found.append(port)
    for one in held:
        one.close()
    return found


class Sentinels:
    """`servers`: a primary and its replica at first. The sentinels want two votes and call it down after a second.
    `password` is the servers', `other` the sentinels'."""

    def __init__(self, directory: Path, password: str = "", other: str = "") -> None:
        ports = _ports(5)
        auth = ["--requirepass", password, "--masterauth", password] if password else []
        first, second = (self._directory(directory, f"server{number}") for number in range(2))
        self._password, self._other = password, other
        follow = ["--replicaof", f"127.0.0.1 {ports[0]}"]
        fast = ["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0", *auth]
        self.servers = [Redis(ports[0], first, *fast)]
        self.sentinels: list[Redis] = []
        try:
            self.servers.append(Redis(ports[1], second, *fast, *follow))
            for port in ports[2:]:
                self.sentinels.append(self._sentinel(port, ports[0], directory))
            wait_until(self._is_whole, "the sentinels know each other and the replica")
        except BaseException:
            self.stop()
            raise
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports[2:])
        self.url = f"redis+sentinel://{f':{password}@' if password else ''}{hosts}/main/1"
        self.url += f"?sentinel_password={other}" if other else ""

    @staticmethod
    def _directory(parent: Path, name: str) -> Path:
        directory = parent / name
        directory.mkdir()
        return directory

    def _sentinel(self, port: int, primary: int, parent: Path) -> Redis:
        directory = self._directory(parent, f"sentinel{port}")
        lines = [f"sentinel monitor main 127.0.0.1 {primary} 2", "sentinel down-after-milliseconds main 1000"]
        lines += ["sentinel failover-timeout main 3000", "sentinel parallel-syncs main 1"]
        lines += [f"sentinel auth-pass main {self._password}"] if self._password else []
        lines += [f"requirepass {self._other}"] if self._other else []
        file = directory / "sentinel.conf"
        file.write_text("\n".join([f"port {port}", "bind 127.0.0.1", *lines, ""]))
        return Redis(port, directory, config=file)

    def _is_whole(self) -> bool:
        with self._client(self.servers[1]) as client:
            if client.info("replication")["master_link_status"] != "up":
                return False
        states = [self.state(sentinel) for sentinel in self.sentinels]
        return all(state["num-other-sentinels"] == "2" and state["num-slaves"] == "1" for state in states)

    def state(self, sentinel: Redis) -> dict[str, str]:
        words = ask(sentinel, "SENTINEL", "MASTER", "main", password=self._other)
        if isinstance(words, dict):
            return {str(key): str(value) for key, value in words.items()}
        assert isinstance(words, list)
        return dict(zip(words[::2], words[1::2], strict=True))

    def _client(self, server: Redis) -> Client:
        return Client(port=server.port, password=self._password or None, socket_timeout=5, decode_responses=True)

    def primary(self) -> Redis:
        """By what the servers say of themselves."""
        for server in self.servers:
            try:
                with self._client(server) as client:
                    if client.info("replication")["role"] == "master":
                        return server
            except RedisError:
                continue
        raise RedisError("there is no primary")

    def fail_over(self) -> None:
        """As an operator orders it: the replica becomes primary while the old one still takes writes."""
        ask(self.sentinels[0], "SENTINEL", "FAILOVER", "main", password=self._other)

    def stop(self) -> None:
        for server in (*self.sentinels, *self.servers):
            server.stop()


class Cluster:
    """Three nodes with a third of the slots each and no replicas."""

    def __init__(self, directory: Path) -> None:
        self.nodes: list[Redis] = []
        try:
            for port in _ports(3):
                home = directory / f"node{port}"
                home.mkdir()
                options = [
                    "--cluster-enabled",
                    "yes",
                    "--cluster-node-timeout",
                    "2000",
                    "--cluster-config-file",
                    "nodes",
                ]
                self.nodes.append(Redis(port, home, *options))
            self._meet()
            wait_until(self.is_well, "the cluster is well")
        except BaseException:
            self.stop()
            raise
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def _meet(self) -> None:
        share = -(-SLOTS // len(self.nodes))
        for number, node in enumerate(self.nodes):
            ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            ask(node, "CLUSTER", "ADDSLOTS", *range(number * share, min(SLOTS, (number + 1) * share)))
            ask(node, "CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port)

    def is_well(self) -> bool:
        return all(self._says_well(node) for node in self.nodes)

    def _says_well(self, node: Redis) -> bool:
        info = ask(node, "CLUSTER", "INFO")
        said = info if isinstance(info, dict) else dict(line.split(":") for line in str(info).splitlines() if line)
        return said["cluster_state"] == "ok" and said["cluster_known_nodes"] == str(len(self.nodes))

    def owner(self, key: str) -> Redis:
        """The node that has the key's slot."""
        slot = int(str(ask(self.nodes[0], "CLUSTER", "KEYSLOT", key)))
        return self.nodes[slot // -(-SLOTS // len(self.nodes))]

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()
