"""Records as rows that outlive us, and back. Pure; a row is a JSON object of one worker.

What a worker says anew with its next heartbeat is left out: when it was heard, its load. `Malformed` for a row
that is none of ours: nothing of it is taken.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final, cast, get_args

from pydantic import ValidationError

from coordinator.catalog import Catalog
from coordinator.fleet import kind_of
from coordinator.liveness import Status
from coordinator.packing import pack_reports, unpack_reports
from coordinator.record import Worker, facts_of
from coordinator.resources import of_machine
from edgeproxy.cluster.messages import Registration, first_fault
from edgeproxy.cluster.services import WorkerType

VERSION: Final = 1
_FLAGS: Final = ("has_beaten", "cordoned", "draining", "hidden", "near")
MAX_CREDENTIAL: Final = 4096

Row = dict[str, Any]


class Malformed(ValueError):
    """What was read is no row of ours; the message says why."""


def to_row(worker: Worker) -> Row:
    told = worker.told()
    reports = None if worker.reports is None else unpack_reports(worker.reports)
    return {
        "worker_id": worker.worker_id,
        **told,
        "services": None if reports is None else [report.model_dump(mode="json") for report in reports],
        "worker_type": worker.worker_type,
        "registered": worker.registered,
        "incarnation": worker.incarnation,
        "status": worker.status,
        "assigned": list(worker.assigned),
        **{flag: getattr(worker, flag) for flag in _FLAGS},
        "reached": worker.reached,
        "credential": None if worker.credential is None else base64.b64encode(worker.credential).decode(),
    }


def from_row(row: Mapping[str, Any], catalog: Catalog) -> Worker:
    """A worker that is not in any registry yet. Checked like a registration: the file may be anybody's."""
    try:
        registration = Registration.model_validate(row)
        worker_type = _one_of(row, "worker_type", get_args(WorkerType))
        worker = Worker(
            worker_id=registration.worker_id or _missing("worker_id"),
            facts=facts_of(registration),
            kind=kind_of(catalog, worker_type, of_machine(registration.capabilities), registration.runnable),
            worker_type=worker_type,
            registered=_number(row, "registered"),
            heard=0.0,
            interval=0.0,
            lives=max(0, int(_number(row, "incarnation")) - int(_number(row, "registered"))),
            reports=None if registration.services is None else pack_reports(registration.services),
            assigned=catalog.names(catalog.mask(_texts(row, "assigned"))),
            reached=row.get("reached") if isinstance(row.get("reached"), bool) else None,
            credential=_bytes(row, "credential"),
        )
    except ValidationError as error:
        raise Malformed(first_fault(error)) from None
    for flag in _FLAGS:
        setattr(worker, flag, row.get(flag) is True)
    offline = _one_of(row, "status", get_args(Status)) == "offline"
    worker.status = "offline" if offline else worker.resting_status()
    return worker


def _missing(name: str) -> Any:
    raise Malformed(f"{name}: is missing")


def _one_of(row: Mapping[str, Any], name: str, words: tuple[str, ...]) -> Any:
    if row.get(name) not in words:
        raise Malformed(f"{name}: must be one of {', '.join(words)}")
    return row[name]


def _number(row: Mapping[str, Any], name: str) -> float:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        raise Malformed(f"{name}: must be a number from 0")
    return value


def _texts(row: Mapping[str, Any], name: str) -> list[str]:
    value = row.get(name)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Malformed(f"{name}: must be a list of names")
    return cast(list[str], value)


def _bytes(row: Mapping[str, Any], name: str) -> bytes | None:
    value = row.get(name)
    if value is None:
        return None
    try:
        if not isinstance(value, str) or len(value) > MAX_CREDENTIAL:
            raise ValueError
        return base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        raise Malformed(f"{name}: must be base64") from None
