"""What the kinds of users do; the locust files say who does how much of it."""

from __future__ import annotations

import json
import random
from time import perf_counter
from typing import Any

from locust.contrib.fasthttp import FastHttpUser

from bench.users import REGIONS
from coordinator.demo.sample import LETTER, letter

QUESTIONS = (
    "What can I do about my rent arrears?",
    "Explain this letter in plain words.",
    "Which benefits may I claim?",
    "Write a short answer to the council.",
)
FIRST, BETWEEN, WHOLE = "time to first token", "between tokens", "whole answer"
MAX_TOKENS = 40
DONE = b"data: [DONE]"


def chat(user: FastHttpUser) -> None:
    """A streamed answer: fires the moments of FIRST, BETWEEN and WHOLE, in ms."""
    question = {"role": "user", "content": random.choice(QUESTIONS)}
    body = {"model": "demo", "messages": [question], "stream": True, "max_tokens": MAX_TOKENS}
    started = previous = perf_counter()
    with user.client.post("/v1/chat/completions", json=body, stream=True, catch_response=True) as response:
        if response.status_code != 200:
            response.failure(f"status {response.status_code}")
            return
        last, tokens = b"", 0
        while event := response.stream.readline(b"\n\n"):
            last = event
            if not _says_something(event):
                continue
            now = perf_counter()
            fire(user, FIRST if not tokens else BETWEEN, now - previous, len(event))
            previous = now
            tokens += 1
        if last.strip() != DONE:
            response.failure("the stream ended without [DONE]")
            return
        fire(user, WHOLE, perf_counter() - started, 0)
        response.success()


def _says_something(event: bytes) -> bool:
    """The first event has the role alone, the last ones the reason and the end."""
    if not event.startswith(b"data: {"):
        return False
    choices = json.loads(event[6:]).get("choices") or [{}]
    return bool((choices[0].get("delta") or {}).get("content"))


def upload(user: FastHttpUser) -> None:
    """A letter as PDF; its text must come back."""
    scan: Any = multipart("file", "letter.pdf", letter(LETTER * random.randint(1, 20)))
    with user.client.post(
        "/service/upload/process", data=scan, headers={"Content-Type": BOUNDARY_TYPE}, catch_response=True
    ) as response:
        if response.status_code == 200 and "Thameside" in response.json()["text"]:
            response.success()
        else:
            response.failure(f"status {response.status_code}, or another text than the letter's")


def retrieve(user: FastHttpUser) -> None:
    """A query becomes a vector."""
    body = {"model": "demo", "input": [random.choice(QUESTIONS)]}
    with user.client.post("/v1/embeddings", json=body, catch_response=True) as response:
        if response.status_code == 200 and response.json()["data"][0]["embedding"]:
            response.success()
        else:
            response.failure(f"status {response.status_code}, or no embedding")


def fire(user: FastHttpUser, name: str, seconds: float, length: int) -> None:
    moment: dict[str, Any] = {"request_type": "SSE", "name": name, "response_time": seconds * 1000}
    user.environment.events.request.fire(**moment, response_length=length, exception=None, context={})


BOUNDARY_TYPE = "multipart/form-data; boundary=edge-bench"


def multipart(field: str, name: str, content: bytes) -> bytes:
    head = f'--edge-bench\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
    return head.encode() + b"Content-Type: application/pdf\r\n\r\n" + content + b"\r\n--edge-bench--\r\n"


def registration(worker_id: str) -> dict[str, Any]:
    """As agents of the system send it."""
    return {
        "worker_id": worker_id,
        "tunnel_url": "http://127.0.0.1:9",
        "region": random.choice(REGIONS),
        "capabilities": {"worker_type": "cpu", "cpu_cores": 4, "ram": "8GB"},
        "services": [],
    }


def sent(user: FastHttpUser, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The coordinator's answer, {} where it was an error: locust has counted it then."""
    with user.client.post(path, json=body, catch_response=True) as response:
        if response.status_code != 200:
            response.failure(f"status {response.status_code}")
            return {}
        answer: dict[str, Any] = json.loads(response.content)
        return answer
