"""Answers of a tunnel, told apart from those of the worker behind it.

Cloudflare marks all that passes through it with `CF-RAY`, and what it fetched from the worker with `CF-Cache-Status`
besides. 520 to 530 are statuses of its own: https://developers.cloudflare.com/support/troubleshooting/http-status-codes/
"""

from __future__ import annotations

from edgeproxy.errors import TUNNEL_DOWN, TUNNEL_FAILED, Fault

# Refused, timed out in connecting, no way there, TLS failed, no tunnel: the worker has seen nothing of the request.
_NOT_REACHED = frozenset({521, 522, 523, 525, 526, 530})


def fault_of(status: int, fields: bytes) -> Fault | None:
    """What an intermediary's answer means, None for a worker's own. `fields` are its field lines."""
    if status not in (502, 504) and not 520 <= status <= 530:
        return None
    lowered = b"\n" + fields.lower()
    if b"\ncf-ray:" not in lowered:
        return None
    if status < 520 and b"\ncf-cache-status:" in lowered:
        return None  # fetched: a worker may say 502 itself
    return TUNNEL_DOWN if status in _NOT_REACHED else TUNNEL_FAILED
