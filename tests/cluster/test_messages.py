import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgeproxy.cluster.messages import (
    Heartbeat,
    HeartbeatAnswer,
    Registration,
    RegistrationAnswer,
    WorkerList,
    first_fault,
)

REPORT = {"name": "notes-coa", "service_url": "http://h:8100", "port": 8100, "status": "healthy"}


def test_an_empty_id_and_an_empty_url_are_none() -> None:
    registration = Registration.model_validate({"worker_id": "", "tunnel_url": "", "capabilities": {}})
    assert registration.worker_id is None
    assert registration.tunnel_url is None


def test_what_we_do_not_know_is_dropped() -> None:
    registration = Registration.model_validate({"capabilities": {}, "surprise": 1})
    assert "surprise" not in registration.model_dump()


def test_services_without_urls_are_no_report() -> None:
    installed = [{"name": "ner", "container": "ner", "port": 8108, "health": "/health", "version": "1"}]
    assert Registration.model_validate({"capabilities": {}, "services": installed}).services is None
    mixed = Registration.model_validate({"capabilities": {}, "services": [*installed, REPORT]})
    assert [report.name for report in mixed.services or ()] == ["notes-coa"]
    assert Registration.model_validate({"capabilities": {}, "services": []}).services == []


@pytest.mark.parametrize(
    "change",
    [
        {"service_url": "http://user:pass@h"},
        {"service_url": None},
        {"port": 0},
        {"port": 70000},
        {"status": "fine"},
        {"name": "../x"},
        {"name": "x" * 65},
        {"health_path": "health"},
        {"health_path": "/a\nb"},
    ],
)
def test_a_wrong_report_is_an_error(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Heartbeat.model_validate({"worker_id": "w", "services": [{**REPORT, **change}]})


@pytest.mark.parametrize(
    "body",
    [
        {"capabilities": {}, "services": [REPORT] * 65},
        {"capabilities": {}, "runnable": ["x"] * 65},
        {"capabilities": {str(n): n for n in range(65)}},
        {"capabilities": {"x": "y" * 16_384}},
        {"capabilities": {}, "region": "x" * 2049},
        {"capabilities": {}, "worker_id": "x" * 201},
        {"capabilities": {}, "worker_id": "a b"},
        {"capabilities": {}, "worker_id": "<script>"},
        {"capabilities": None},
    ],
)
def test_sizes_and_names_are_bounded(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Registration.model_validate(body)


def test_what_only_people_read_is_worth_no_error() -> None:
    beat = Heartbeat.model_validate(
        {
            "worker_id": "w",
            "status": None,
            "current_load": None,
            "loaded_models": "llama",
            "gpu_utilization": "12.0%",
            "services_status": [],
            "active_requests": -1,
            "available_memory": 12.5,
        }
    )
    assert (beat.status, beat.current_load, beat.loaded_models, beat.gpu_utilization) == ("healthy", 0.0, [], None)


def test_an_interval_that_would_make_an_agent_spin_or_sleep_is_refused() -> None:
    answer = {"worker_id": "w", "worker_type": "cpu", "tier": 2}
    assert RegistrationAnswer.model_validate(answer).heartbeat_interval == 30.0
    for interval in (0, -1, 1e9, float("nan"), float("inf")):
        with pytest.raises(ValidationError):
            HeartbeatAnswer.model_validate({"heartbeat_interval": interval})


def test_a_wrong_record_costs_itself_and_one_line(caplog: pytest.LogCaptureFixture) -> None:
    records = [
        {"worker_id": "good", "services": [REPORT, {**REPORT, "service_url": "nowhere"}]},
        {"worker_id": "bad", "tunnel_url": "gopher://x"},
        "no record at all",
        {"worker_id": "online", "status": "online", "assigned_services": None},
    ]
    with caplog.at_level(logging.WARNING):
        listed = WorkerList.model_validate({"workers": records})
    assert [worker.worker_id for worker in listed.workers] == ["good", "online"]
    assert [report.service_url for report in listed.workers[0].services or ()] == ["http://h:8100"]
    assert listed.workers[1].status == "healthy"
    assert sum("WorkerRecord" in line for line in caplog.messages) == 1


def test_the_first_fault_is_one_line_without_the_input() -> None:
    with pytest.raises(ValidationError) as caught:
        Registration.model_validate({"capabilities": {}, "tunnel_url": "http://u:hunter2@h"})
    line = first_fault(caught.value)
    assert line.startswith("tunnel_url: ")
    assert "hunter2" not in line
    assert "\n" not in line


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from([*Registration.model_fields, *Heartbeat.model_fields, "workers"])


@given(st.dictionaries(keys, json) | json)
def test_any_json_is_a_message_or_a_validation_error(body: Any) -> None:
    for model in (Registration, Heartbeat, WorkerList, RegistrationAnswer, HeartbeatAnswer):
        try:
            message = model.model_validate(body)
        except ValidationError:
            continue
        assert model.model_validate(message.model_dump(mode="json")) == message
