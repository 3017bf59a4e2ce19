"""The demo fleet as `make run` starts it: every part real, used as the README says."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import httpx
import openai
import psutil
import pytest
import websockets

from tests.e2e.processes import ROOT, Process, free_port

START_SECONDS = 90.0


class Fleet(Process):
    """`python -m coordinator.demo` on ports of its own."""

    def __init__(self, directory: Path) -> None:
        self.edge = f"http://127.0.0.1:{(port := free_port())}"
        self.coordinator = f"http://127.0.0.1:{(coordinator_port := free_port())}"
        self.balancer = f"http://127.0.0.1:{(balancer_port := free_port())}"
        super().__init__(
            ["-m", "coordinator.demo"],
            directory / "fleet.log",
            {
                "EDGEPROXY_PORT": str(port),
                "COORDINATOR_PORT": str(coordinator_port),
                "DEMO_BALANCER_PORT": str(balancer_port),
                "DEMO_TOKEN_DELAY": "0.01",
            },
        )

    def until_up(self) -> None:
        with httpx.Client() as client:
            for _ in range(int(START_SECONDS * 5)):
                assert self.popen.poll() is None, self.output()
                if "Ctrl-C ends the fleet" in self.output():
                    assert client.get(f"{self.edge}/health").status_code == 200
                    return
                time.sleep(0.2)
        raise AssertionError(self.output())


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path_factory.mktemp("fleet"))
    try:
        fleet.until_up()
        yield fleet
    finally:
        fleet.stop()


def test_an_uploaded_pdf_gives_its_text(fleet: Fleet) -> None:
    letter = next((ROOT / ".demo").glob("*.pdf"))
    curl = subprocess.run(
        ["curl", "-s", "-F", f"file=@{letter}", f"{fleet.edge}/service/upload/process"],
        capture_output=True,
        check=True,
        timeout=20,
    )
    answer = json.loads(curl.stdout)
    assert "Dear Ms Example" in answer["text"]
    assert answer["pages"] == 1


def test_the_openai_client_streams_token_by_token(fleet: Fleet) -> None:
    client = openai.OpenAI(base_url=f"{fleet.edge}/v1", api_key="none")
    with client:
        question = [{"role": "user", "content": "What happens when a lent machine leaves?"}]
        model = client.models.list().data[0].id
        whole = client.chat.completions.create(model=model, messages=question, temperature=0)
        chunks = list(client.chat.completions.create(model=model, messages=question, temperature=0, stream=True))
        vectors = client.embeddings.create(model="any", input=["rent arrears", "rent debt"]).data
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert len([piece for piece in pieces if piece]) > 5
    assert "".join(pieces) == whole.choices[0].message.content
    assert len(vectors) == 2


async def test_a_websocket_passes(fleet: Fleet) -> None:
    async with websockets.connect(f"{fleet.edge.replace('http', 'ws')}/service/upload/echo") as connection:
        await connection.send("hello")
        assert await connection.recv() == "hello"


def test_the_coordinator_shows_the_fleet(fleet: Fleet) -> None:
    gaps = httpx.get(f"{fleet.coordinator}/api/admin/gaps").json()
    covered = {row["service"]: row["current_workers"] for row in gaps["gaps"]}
    assert covered["llm-inference"] == 2
    assert covered["document-processing"] == 2
    assert covered["edge-proxy"] == covered["load-balancer"] == covered["rag-embeddings"] == 1
    through_the_edge = httpx.get(f"{fleet.edge}/api/admin/gaps").json()
    assert {row["service"] for row in through_the_edge["gaps"]} == set(covered)


def test_the_balancer_leads_to_the_same_services(fleet: Fleet) -> None:
    assert httpx.get(f"{fleet.balancer}/v1/models").json()["object"] == "list"


def test_unknown_service_404_service_without_worker_503(fleet: Fleet) -> None:
    assert httpx.get(f"{fleet.edge}/service/nothing/x").status_code == 404
    nobody = httpx.get(f"{fleet.edge}/service/ocr/x")
    assert nobody.status_code == 503
    assert int(nobody.headers["Retry-After"]) > 0
    refused = httpx.post(f"{fleet.edge}/v1/unknown", json={})
    assert refused.status_code == 404
    assert set(refused.json()["error"]) == {"message", "type", "param", "code"}


async def test_killing_one_of_two_replicas_costs_no_idempotent_request(fleet: Fleet) -> None:
    statuses: Counter[int] = Counter()
    finished = asyncio.Event()
    chat = {"messages": [{"role": "user", "content": "rent"}], "max_tokens": 3, "temperature": 0}

    async def user(session: aiohttp.ClientSession) -> None:
        while not finished.is_set():
            async with session.post(f"{fleet.edge}/v1/chat/completions", json=chat) as answer:
                await answer.read()
                statuses[answer.status] += 1
            async with session.get(f"{fleet.edge}/v1/models") as answer:
                statuses[answer.status] += 1

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as users:
        for _ in range(8):
            users.create_task(user(session))
        await asyncio.sleep(0.7)
        os.kill(_replicas(fleet)[0], signal.SIGKILL)
        await asyncio.sleep(1.5)
        finished.set()
    assert set(statuses) == {200}
    assert statuses.total() > 50


def _replicas(fleet: Fleet) -> list[int]:
    children = psutil.Process(fleet.pid).children(recursive=True)
    return [child.pid for child in children if "coordinator.demo.llm" in child.cmdline()]


def test_ctrl_c_leaves_nothing_running(fleet: Fleet) -> None:
    started = psutil.Process(fleet.pid).children(recursive=True)
    assert len(started) > 10
    fleet.signal(signal.SIGINT)
    fleet.wait(20)
    _, alive = psutil.wait_procs(started, timeout=2)
    assert alive == []
