"""What an agent's log says of a refusal: the join secret is blamed only where it is at fault."""

import pytest

from coordinator.agent.membership import hint_of
from edgeproxy.cluster.client import CoordinatorError


@pytest.mark.parametrize(
    ("status", "detail", "blamed"),
    [
        (403, "an API key is needed: send it as X-API-Key, api-key or Authorization: Bearer", True),
        (403, "Invalid API key", True),
        (401, "Invalid API key", True),
        (403, "this worker_id belongs to another key: start with that key, or choose another WORKER_ID", False),
        (403, "this worker's key was revoked: ask the operator", False),
        (403, "workers may join over loopback only: the coordinator has no API_KEY", False),
        (401, "this nonce is not ours, too old, or was used before: ask for another", False),
        (None, "http://c cannot be asked: an API key", False),
    ],
)
def test_the_join_secret_is_blamed_only_where_it_is_at_fault(status: int | None, detail: str, blamed: bool) -> None:
    assert ("API_KEY" in hint_of(CoordinatorError(status, f"http://c answered {status}: {detail}"))) is blamed
