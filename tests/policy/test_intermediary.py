"""A tunnel's own answers, told apart from the worker's."""

from __future__ import annotations

import pytest

from edgeproxy.errors import TUNNEL_DOWN, TUNNEL_FAILED, Fault
from edgeproxy.policy.intermediary import fault_of

RAY = b"CF-RAY: 8f-AMS\r\n"
FETCHED = RAY + b"CF-Cache-Status: DYNAMIC\r\n"


@pytest.mark.parametrize(
    ("status", "fields", "fault"),
    [
        (530, RAY, TUNNEL_DOWN),
        (521, b"cf-ray: x\r\n", TUNNEL_DOWN),
        (522, RAY, TUNNEL_DOWN),
        (520, RAY, TUNNEL_FAILED),
        (524, RAY, TUNNEL_FAILED),
        (502, RAY, TUNNEL_FAILED),
        (502, FETCHED, None),
        (504, FETCHED, None),
        (502, b"X-CF-Ray: x\r\n", None),
        (530, b"", None),
        (503, RAY, None),
        (500, RAY, None),
        (200, RAY, None),
    ],
)
def test_faults(status: int, fields: bytes, fault: Fault | None) -> None:
    assert fault_of(status, fields) is fault
