import logging
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.discovery import snapshot as snapshot_module
from edgeproxy.discovery.snapshot import EMPTY, Endpoint, Snapshot
from edgeproxy.discovery.static import static_snapshot


def test_an_endpoint_is_what_its_url_says() -> None:
    endpoint = Endpoint.of("notes-coa", "https://H.example/base/", "/ok")
    assert (endpoint.host, endpoint.port, endpoint.tls, endpoint.base_path) == ("h.example", 443, True, "/base")
    assert endpoint.url + endpoint.health_path == "https://H.example/base/ok"
    plain = Endpoint.of("notes-coa", "http://[::1]:8100")
    assert (plain.host, plain.port, plain.tls, plain.base_path) == ("::1", 8100, False, "")


def test_the_same_content_has_the_same_version_in_any_order_and_with_doubles() -> None:
    a, b = Endpoint.of("s", "http://a:1"), Endpoint.of("s", "http://b:1")
    first, second = Snapshot.of([a, b], ["t"]), Snapshot.of([b, a, b], ["t"])
    assert first == second
    assert first.endpoints["s"] == (a, b)
    assert first.known_services == {"s", "t"}
    assert first.version != Snapshot.of([a], ["t"]).version
    assert first.version != Snapshot.of([a, b]).version
    assert first.version != Snapshot.of([a, Endpoint.of("s", "http://b:1", "/other")], ["t"]).version


names = st.sampled_from(["a-service", "b-service", "c"])
endpoints = st.builds(
    Endpoint.of, names, st.sampled_from(["http://a:1", "https://b/x", "http://[::1]:9"]), st.just("/health")
)


@given(st.lists(endpoints), st.lists(names))
def test_a_snapshot_survives_the_pipe(some: list[Endpoint], known: list[str]) -> None:
    snapshot = Snapshot.of(some, known)
    message = orjson.loads(orjson.dumps(snapshot.to_message()))
    assert message["type"] == "snapshot"
    assert Snapshot.from_message(message) == snapshot


@pytest.mark.parametrize(
    "row", [["s"], ["s", 7, "/health"], ["s", "http://u:p@h", "/h"], ["s", "http://h", "h"], "row", 7, None]
)
def test_a_wrong_row_costs_itself_and_a_line(row: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        snapshot = Snapshot.from_message({"endpoints": [row, ["s", "http://good:1", "/health"]], "known": [7, "k"]})
    assert [endpoint.host for endpoint in snapshot.all_endpoints()] == ["good"]
    assert snapshot.known_services == {"s", "k"}
    assert "left out 1 wrong" in caplog.text


def test_a_message_without_anything_is_an_empty_snapshot() -> None:
    assert Snapshot.from_message({}) == EMPTY


def test_a_list_that_no_pipe_can_carry_is_cut_and_said(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_module, "MAX_BYTES", 100)
    with caplog.at_level(logging.WARNING):
        snapshot = Snapshot.of(Endpoint.of("s", f"http://h{n}:1") for n in range(9))
    assert len(snapshot.endpoints["s"]) == 2
    assert "only 2 of 9" in caplog.text


def test_the_static_pool() -> None:
    snapshot = static_snapshot(" http://a:1/, https://b ,http://a:1")
    assert [e.url for e in snapshot.endpoints["upstreams"]] == ["http://a:1", "https://b"]
    assert snapshot.known_services == {"upstreams"}


@pytest.mark.parametrize("urls", ["", " , ", "a:1", "http://a, ftp://b", "reverse://m1/service/s"])
def test_a_wrong_static_pool_is_an_error(urls: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        static_snapshot(urls)


def test_an_error_shows_no_password() -> None:
    with pytest.raises(ValueError, match="user or password") as caught:
        static_snapshot("http://u:hunter2@h")
    assert "hunter2" not in str(caught.value)
