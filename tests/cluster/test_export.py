"""A signed list: good as it was signed, and no other way."""

import orjson
import pytest

from coordinator.api.export import signed
from coordinator.api.state import State, new_worker_id
from coordinator.registry import Registry
from edgeproxy.cluster.export import Export
from edgeproxy.cluster.messages import Registration


def make() -> tuple[Export, State]:
    state = State(Registry(10.0, new_worker_id))
    state.registry.register(Registration(worker_id="w", capabilities={}), state.clock())
    return signed(state), state


def test_what_was_signed_is_read() -> None:
    export, state = make()
    content = Export.model_validate(orjson.loads(orjson.dumps(export.model_dump()))).verified(state.gate.keys.name)
    assert [worker["worker_id"] for worker in content["workers"]] == ["w"]


def test_what_was_not_is_refused() -> None:
    export, state = make()
    other, _ = make()
    for changed in (
        {"signed": export.signed.replace('"w"', '"x"')},
        {"signature": other.signature},
        {"coordinator": other.coordinator},
        {"coordinator": "x"},
        {"signature": ""},
    ):
        with pytest.raises(ValueError, match=r"signed|base64url|bytes"):
            export.model_copy(update=changed).verified()
    with pytest.raises(ValueError, match="not by the one that you trust"):
        other.verified(state.gate.keys.name)
