"""Access lines are JSON, whatever a peer has put into them, and wait in bounded memory."""

from __future__ import annotations

import io
import threading
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.telemetry.access import AccessLog, line

USUAL: dict[str, Any] = {
    "method": b"GET",
    "path": b"/a",
    "status": 200,
    "route": "all",
    "seconds": 0.001234,
    "bytes_in": 0,
    "bytes_out": 1024,
    "worker": "http://10.0.0.1:8000",
    "request_id": b"a0cfde1809eb-000",
    "address": "192.0.2.7",
    "caller": "",
    "fault": "",
    "failovers": 0,
}


def record(**changed: Any) -> dict[str, Any]:
    written: dict[str, Any] = orjson.loads(b"{" + line(*(USUAL | changed).values()))
    return written


def test_the_fields_of_an_exchange() -> None:
    assert record() == {
        "http.request.method": "GET",
        "url.path": "/a",
        "http.response.status_code": 200,
        "http.route": "all",
        "duration_s": 0.001234,
        "request_bytes": 0,
        "response_bytes": 1024,
        "worker": "http://10.0.0.1:8000",
        "request_id": "a0cfde1809eb-000",
        "client.address": "192.0.2.7",
        "enduser.id": None,
        "fault": None,
        "failovers": 0,
    }
    assert record(caller="one", fault="client_left") | {"enduser.id": "one", "fault": "client_left"} == record(
        caller="one", fault="client_left"
    )


@given(path=st.binary(max_size=40), request_id=st.binary(max_size=40), name=st.text(max_size=20))
def test_nothing_that_is_said_breaks_out_of_its_string(path: bytes, request_id: bytes, name: str) -> None:
    name = name.encode("utf-8", "ignore").decode()
    written = record(path=path, request_id=request_id, route=name, worker=name, address=name, caller=name or "x")
    assert written["url.path"] == path.decode("latin-1")
    assert written["request_id"] == request_id.decode("latin-1")
    assert written["http.route"] == written["worker"] == written["client.address"] == name


@given(seconds=st.floats(0, 1e6), count=st.integers(0, 2**60))
def test_numbers(seconds: float, count: int) -> None:
    written = record(seconds=seconds, bytes_out=count)
    assert written["duration_s"] == pytest.approx(seconds, abs=1.1e-6)
    assert written["response_bytes"] == count


def test_lines_begin_with_their_time_and_go_out_together() -> None:
    out = io.BytesIO()
    log = AccessLog(out)
    for now in (1.0, 1.0001, 1.5):
        log.add(now, line(*USUAL.values()))
    assert out.getvalue() == b""
    log.close()
    times = [orjson.loads(each)["time"] for each in out.getvalue().splitlines()]
    assert len(times) == 3
    assert all(each.endswith("+00:00") for each in times)
    assert times[0] == times[1]


def test_lines_that_nobody_reads_are_dropped_and_counted() -> None:
    class Stuck(io.BytesIO):
        def write(self, data: Any) -> int:
            free.wait(10)
            return len(data)

    free = threading.Event()
    log = AccessLog(Stuck())
    long = line(*(USUAL | {"path": b"/" + b"a" * 100_000}).values())
    for _ in range(100):
        log.add(1.0, long)
        log.flush()
    assert 50 < log.dropped < 70
    free.set()
    log.close()
