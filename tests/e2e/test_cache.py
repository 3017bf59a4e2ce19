"""The cache as users and operators meet it: by one variable, and emptied by one request."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from tests.e2e.processes import Backend, Proxy

StartBackend = Callable[..., Backend]
StartProxy = Callable[..., Proxy]


def eventually(condition: Callable[[], bool]) -> None:
    for _ in range(100):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen within ten seconds")


def test_answers_are_kept_until_they_are_purged(backend: StartBackend, proxy: StartProxy) -> None:
    edge = proxy(EDGEPROXY_UPSTREAMS=backend().url, EDGEPROXY_CACHE="4MiB", EDGEPROXY_PROCESSES="1")
    with httpx.Client(timeout=10) as client:

        def ask() -> tuple[str, str]:
            answer = client.get(f"{edge.url}/fresh")
            return answer.text, answer.headers["Cache-Status"].partition("; ")[2].partition(";")[0]

        assert [ask(), ask()] == [("1", "fwd=miss"), ("1", "hit")]
        assert client.post(f"{edge.admin_url}/cache/purge").status_code == 204
        eventually(lambda: ask()[0] == "2")
        assert ask() == ("2", "hit")
        eventually(lambda: 'cache_lookups_total{result="hit"} 2.0' in client.get(f"{edge.admin_url}/metrics").text)


def test_without_the_variable_nothing_is_kept(backend: StartBackend, proxy: StartProxy) -> None:
    edge = proxy(EDGEPROXY_UPSTREAMS=backend().url, EDGEPROXY_CACHE="off")
    answers = [httpx.get(f"{edge.url}/fresh", timeout=10) for _ in range(2)]
    assert [answer.text for answer in answers] == ["1", "2"]
    assert "Cache-Status" not in answers[1].headers


def test_a_stored_answer_passes_the_guard_first(backend: StartBackend, proxy: StartProxy) -> None:
    """The key is the edge's and says nothing of the answer; which page may read it is said to each anew."""
    edge = proxy(
        EDGEPROXY_UPSTREAMS=backend().url,
        EDGEPROXY_CACHE="4MiB",
        EDGEPROXY_PROCESSES="1",
        EDGEPROXY_API_KEYS="a-secret-of-one,a-secret-of-two",
        EDGEPROXY_CORS_ORIGINS="https://one.example,https://two.example",
    )

    def ask(key: str, origin: str) -> httpx.Response:
        fields = {"Authorization": f"Bearer {key}", "Origin": origin}
        return httpx.get(f"{edge.url}/fresh", headers=fields, timeout=10)

    first = ask("a-secret-of-one", "https://one.example")
    second = ask("a-secret-of-two", "https://two.example")
    assert first.text == second.text == "1"
    assert second.headers["Cache-Status"].startswith("edgeproxy; hit")
    assert second.headers["Access-Control-Allow-Origin"] == "https://two.example"
    assert ask("a-guess", "https://one.example").status_code == 401
