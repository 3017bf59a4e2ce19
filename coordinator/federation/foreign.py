"""A worker of another home, as it is listed here: what that home says, in the shape and within the bounds of our own
records. Whatever else it says is left out, so that no home can break another's list. Pure."""

from typing import Annotated, Any

import orjson
from pydantic import Field

from edgeproxy.cluster.messages import Object, OptionalText, Text, WorkerRecord


class Foreign(WorkerRecord):
    """`views.record`, without what changes with every heartbeat."""

    vpn_ip: OptionalText = None
    capabilities: Object = {}
    registered_at: OptionalText = None
    state: Text = ""
    cordoned: bool = False
    draining: bool = False
    identity: OptionalText = None
    signed: bool = False
    tasks_completed: Annotated[int, Field(ge=0)] = 0


def listed(facts: bytes) -> dict[str, Any]:
    """The row; ValueError (pydantic's) for what is no worker's record."""
    row = Foreign.model_validate(orjson.loads(facts)).model_dump(mode="json")
    return {
        **row,
        "assigned_containers": row["assigned_services"],
        "containers": row["services"] or [],
        "last_heartbeat": None,
        "age_seconds": None,
        "loaded_models": [],
        "active_requests": 0,
    }
