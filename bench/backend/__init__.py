"""The worker behind every peer: fast and dumb, so that it is not what is measured. `connection` has its paths."""

from bench.backend.connection import MAX_BODY, MAX_HEAD, Backend, House
from bench.backend.payload import ok, payload

__all__ = ["MAX_BODY", "MAX_HEAD", "Backend", "House", "ok", "payload"]
