"""Workers that fail, are full, or belong to a session: real processes, real faults."""

from __future__ import annotations

import json
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.processes import Backend, Proxy


def ask(url: str, body: object = None, **headers: str) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, error.headers


def events(proxy: Proxy) -> dict[str, float]:
    """Counts of balancing, which processes tell once a second."""
    time.sleep(1.2)
    with urllib.request.urlopen(f"{proxy.admin_url}/metrics", timeout=5) as page:
        text = page.read().decode()
    start = 'edgeproxy_balance_events_total{event="'
    rows = [line[len(start) :].split('"} ') for line in text.splitlines() if line.startswith(start)]
    return {name: float(value) for name, value in rows}


def upstreams(*backends: Backend) -> str:
    return ",".join(backend.url for backend in backends)


@pytest.mark.parametrize("strategy", ["round_robin", "least_request", "peak_ewma", "prefix_affinity", "prequal"])
def test_a_killed_worker_is_not_noticed(
    backend: Callable[..., Backend], proxy: Callable[..., Proxy], strategy: str
) -> None:
    one, two = backend("one"), backend("two")
    edge = proxy(EDGEPROXY_UPSTREAMS=upstreams(one, two), EDGEPROXY_BALANCE=strategy, EDGEPROXY_PROCESSES="1")
    assert {ask(edge.url + "/a")[0] for _ in range(20)} == {200}
    one.signal(signal.SIGKILL)
    one.wait()
    answers = [ask(edge.url + "/a") for _ in range(40)]
    assert [status for status, _ in answers] == [200] * 40
    assert {body["name"] for _, body in answers} == {"two"}
    assert events(edge).get("attempt_connect_failed", 0) <= 1, "nobody is sent to it twice"


def test_a_stopped_worker_is_not_noticed_for_long(backend: Callable[..., Backend], proxy: Callable[..., Proxy]) -> None:
    one, two = backend("one"), backend("two")
    edge = proxy(EDGEPROXY_UPSTREAMS=upstreams(one, two), EDGEPROXY_PROCESSES="1")
    for _ in range(60):
        assert ask(edge.url + "/a")[0] == 200
    one.signal(signal.SIGSTOP)
    answers: list[tuple[int, Any]] = []
    askers = [threading.Thread(target=lambda: answers.append(ask(edge.url + "/a"))) for _ in range(30)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert [status for status, _ in answers] == [200] * 30
    assert {body["name"] for _, body in answers} == {"two"}
    counts = events(edge)
    assert counts.get("hedge", 0) + counts.get("rescue", 0) > 0


def test_full_workers_have_a_queue_with_a_deadline(
    backend: Callable[..., Backend], proxy: Callable[..., Proxy]
) -> None:
    edge = proxy(
        EDGEPROXY_UPSTREAMS=backend("one").url + ";slots=1",
        EDGEPROXY_PROCESSES="1",
        EDGEPROXY_QUEUE_TIMEOUT="0.5",
    )
    long = threading.Thread(target=ask, args=(edge.url + "/sleep/1.5",))
    long.start()
    time.sleep(0.2)
    status, headers = ask(edge.url + "/a")
    assert (status, headers["Retry-After"]) == (503, "2")
    long.join()
    assert ask(edge.url + "/a")[0] == 200


def test_sessions_stay_where_they_are(backend: Callable[..., Backend], proxy: Callable[..., Proxy]) -> None:
    workers = [backend(name) for name in ("one", "two", "three")]
    edge = proxy(EDGEPROXY_UPSTREAMS=upstreams(*workers), EDGEPROXY_AFFINITY="cookie:sid")
    for session in ("a", "b", "c", "d"):
        assert len({ask(edge.url + "/a", Cookie=f"sid={session}")[1]["name"] for _ in range(8)}) == 1
    assert len({ask(edge.url + "/a")[1]["name"] for _ in range(12)}) == 3


def test_like_prompts_go_to_the_same_worker_from_every_process(
    backend: Callable[..., Backend], proxy: Callable[..., Proxy]
) -> None:
    workers = [backend(name) for name in ("one", "two", "three")]
    edge = proxy(EDGEPROXY_UPSTREAMS=upstreams(*workers), EDGEPROXY_BALANCE="prefix_affinity")
    for prompt in ("one", "two", "three", "four"):
        body = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
        assert len({ask(edge.url + "/v1/chat/completions", body)[1]["name"] for _ in range(8)}) == 1
