"""The engines: how each is started, and what one says to it."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

VALUE = b"v" * 200
TTL_S = 15


@dataclass(frozen=True, slots=True)
class Words:
    """What a connection says first, then again and again; what ends an answer, what makes it an error."""

    first: bytes
    question: bytes
    ends: bytes
    wrong: bytes


class Engine:
    name: str
    program: str

    def command(self, port: int, other: int, directory: Path) -> Sequence[str]:
        raise NotImplementedError

    def words(self, number: int) -> Words:
        raise NotImplementedError


class Redis(Engine):
    name = "Redis"
    program = "redis-server"

    def command(self, port: int, other: int, directory: Path) -> Sequence[str]:
        memory = ["--save", "", "--appendonly", "no", "--dir", str(directory)]
        return ["--port", str(port), "--bind", "127.0.0.1", *memory]

    def words(self, number: int) -> Words:
        parts = [b"SET", b"worker:%d" % number, VALUE, b"EX", b"%d" % TTL_S]
        question = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        return Words(b"", question, b"+OK\r\n", b"-")


class Nats(Engine):
    """A bucket of its key-value store, in memory: a stream with one message a key, kept TTL_S."""

    name = "NATS"
    program = "nats-server"

    def command(self, port: int, other: int, directory: Path) -> Sequence[str]:
        return ["--addr", "127.0.0.1", "--port", str(port), "--jetstream", "--store_dir", str(directory)]

    def words(self, number: int) -> Words:
        bucket = {
            "name": "KV_workers",
            "subjects": ["$KV.workers.>"],
            "storage": "memory",
            "max_msgs_per_subject": 1,
            "max_age": TTL_S * 10**9,
        }
        made = json.dumps(bucket).encode()
        first = b'CONNECT {"verbose":false}\r\nSUB answer.%d 1\r\n' % number
        first += b"PUB $JS.API.STREAM.CREATE.KV_workers %d\r\n%b\r\n" % (len(made), made)
        question = b"PUB $KV.workers.w%d answer.%d %d\r\n%b\r\n" % (number, number, len(VALUE), VALUE)
        return Words(first, question, b'"seq":', b'"error"')


class Etcd(Engine):
    name = "etcd"
    program = "etcd"

    def command(self, port: int, other: int, directory: Path) -> Sequence[str]:
        client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{other}"
        clients = ["--listen-client-urls", client, "--advertise-client-urls", client]
        peers = ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        return [*clients, *peers, "--initial-cluster", f"default={peer}", "--data-dir", str(directory / "etcd")]

    def words(self, number: int) -> Words:
        key, value = (base64.b64encode(one).decode() for one in (b"worker/%d" % number, VALUE))
        body = json.dumps({"key": key, "value": value}).encode()
        head = b"POST /v3/kv/put HTTP/1.1\r\nHost: etcd\r\nContent-Length: %d\r\n\r\n" % len(body)
        return Words(b"", head + body, b'"revision":', b'"error":')


ENGINES: tuple[Engine, ...] = (Redis(), Nats(), Etcd())
