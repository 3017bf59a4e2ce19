"""What the launcher shows when the fleet works: its picture, and lines to copy."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from coordinator.demo.fleet import EDGE_SERVICES, HOST, Ports
from coordinator.demo.readiness import Worker


@dataclass(frozen=True, slots=True)
class Replica:
    """One running service; `pid` is None where it cannot be seen."""

    service: str
    worker: str
    port: int
    pid: int | None


def replicas(workers: Sequence[Worker]) -> list[Replica]:
    """What runs behind the edge, by service; reads the processes below this one for the pids."""
    pids = _pids_by_port()
    found = [
        Replica(service["name"], worker["worker_id"], service["port"], pids.get(service["port"]))
        for worker in workers
        for service in worker.get("services") or []
        if service["name"] not in EDGE_SERVICES
    ]
    return sorted(found, key=lambda replica: (replica.service, replica.worker))


def _pids_by_port() -> dict[int, int]:
    pids: dict[int, int] = {}
    for process in psutil.Process().children(recursive=True):
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if "--port" in words and words[-1].isdigit():
            pids[int(words[-1])] = process.pid
    return pids


def picture(ports: Ports, found: Sequence[Replica]) -> Iterator[str]:
    yield f"  you ──▶ edge proxy  {HOST}:{ports.edge}"
    for index, replica in enumerate(found):
        branch = "└─▶" if index == len(found) - 1 else "├─▶"
        pid = f"pid {replica.pid}" if replica.pid else ""
        where = f"{replica.service:<20} {replica.worker:<7} :{replica.port:<6} {pid}".rstrip()
        yield f"             {branch} {where}"
    yield f"          balancer    {HOST}:{ports.balancer}  the same engine, spreads over the edges"
    yield f"          coordinator {HOST}:{ports.coordinator}  registry of workers; agents send heartbeats"


def lines(ports: Ports, found: Sequence[Replica], sample: Path) -> Iterator[tuple[str, str]]:
    """Pairs of what it shows and the line to copy."""
    edge, coordinator = f"http://{HOST}:{ports.edge}", f"http://{HOST}:{ports.coordinator}"
    chat = '{"messages": [{"role": "user", "content": "I got a letter about my rent"}], "stream": true}'
    yield "the text of an uploaded PDF", f"curl -F file=@{sample} {edge}/service/upload/process"
    json = "-H 'Content-Type: application/json' -d"
    yield "a chat, token by token", f"curl -N {edge}/v1/chat/completions {json} '{chat}'"
    yield "embeddings", f"""curl {edge}/v1/embeddings {json} '{{"input": "rent arrears"}}'"""
    yield "the openai client (pip install openai)", _openai(edge)
    socket = f"ws://{HOST}:{ports.edge}/service/upload/echo"
    yield "a WebSocket echo", f"{_python()} -m coordinator.demo.echo {socket}"
    yield "what the coordinator sees", f"curl {coordinator}/api/admin/gaps"
    chats = [replica for replica in found if replica.service == "llm-inference" and replica.pid]
    if chats:
        yield "one of two replicas dies: nobody notices, its agent starts it again", f"kill -9 {chats[0].pid}"


def _python() -> str:
    """This interpreter, as short as it can be written from here."""
    here = Path(sys.prefix) / "bin" / "python"
    with suppress(ValueError):
        return str(here.relative_to(Path.cwd()))
    return str(here)


def _openai(edge: str) -> str:
    return f"""python - <<'END'
from openai import OpenAI
client = OpenAI(base_url="{edge}/v1", api_key="none")
question = [{{"role": "user", "content": "What happens when a lent machine leaves?"}}]
for chunk in client.chat.completions.create(model="advice-ngram", messages=question, stream=True):
    print(chunk.choices[0].delta.content or "", end="", flush=True)
END"""
