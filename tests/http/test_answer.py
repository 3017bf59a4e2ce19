"""The edge's own answers: readable by a strict client, in the dialect of the route."""

from __future__ import annotations

import json

import pytest

from edgeproxy import errors
from edgeproxy.errors import BODY_TOO_LARGE, METHOD_REFUSED, NO_WORKER, RESET_REUSED, Fault
from edgeproxy.http.answer import OPENAI, PROBLEM, error_answer, options_answer, plain_answer
from tests.wire.reading import Response, read_responses

DATE = b"Date: Tue, 24 Nov 2026 13:00:00 GMT\r\n"
FAULTS = [fault for fault in vars(errors).values() if isinstance(fault, Fault) and fault.status != 499]


def answered(fault: Fault, detail: str = "", dialect: str = PROBLEM, close: bool = False) -> Response:
    [response] = read_responses(error_answer(fault, detail, b"id-1", dialect, DATE, close, False), ended=close)
    assert response.complete
    return response


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_can_be_answered(fault: Fault) -> None:
    document = json.loads(answered(fault).body)
    assert document["status"] == fault.status == answered(fault).status
    assert document["type"].endswith(fault.name)
    assert document["request_id"] == "id-1"
    assert "detail" not in document


def test_names_of_faults_are_unique() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_fields() -> None:
    response = answered(BODY_TOO_LARGE, "smaller", close=True)
    assert response.value(b"content-type") == b"application/problem+json"
    assert response.value(b"connection") == b"close"
    assert response.value(b"x-request-id") == b"id-1"
    assert response.value(b"date") is not None
    assert json.loads(response.body)["detail"] == "smaller"
    assert answered(BODY_TOO_LARGE).value(b"connection") is None


def test_retry_after() -> None:
    assert answered(NO_WORKER).value(b"retry-after") == b"2"
    assert answered(RESET_REUSED).value(b"retry-after") == b"0"
    assert answered(BODY_TOO_LARGE).value(b"retry-after") is None


def test_allow() -> None:
    assert b"GET" in (answered(METHOD_REFUSED).value(b"allow") or b"")


@pytest.mark.parametrize(("fault", "kind"), [(BODY_TOO_LARGE, "invalid_request_error"), (NO_WORKER, "server_error")])
def test_openai_s_shape(fault: Fault, kind: str) -> None:
    response = answered(fault, "what to change", OPENAI)
    assert response.value(b"content-type") == b"application/json"
    error = json.loads(response.body)["error"]
    assert error == {"message": "what to change", "type": kind, "param": None, "code": fault.name}


def test_to_head() -> None:
    answer = error_answer(NO_WORKER, "", b"id", PROBLEM, DATE, False, True)
    [response] = read_responses(answer, False, [b"HEAD"])
    assert (response.body, response.complete) == (b"", True)
    assert int(response.value(b"content-length") or 0) > 0
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("close", [False, True])
def test_plain_and_options(close: bool) -> None:
    [plain] = read_responses(plain_answer(b"{}", b"application/json", b"id", DATE, close, False), close)
    assert (plain.status, plain.body, plain.complete) == (200, b"{}", True)
    [options] = read_responses(options_answer(b"id", DATE, close), close, [b"OPTIONS"])
    assert (options.status, options.complete) == (204, True)
    assert options.value(b"content-length") is None
    for response in (plain, options):
        assert response.value(b"connection") == (b"close" if close else None)
        assert response.value(b"x-request-id") == b"id"
