"""Where the fuzzer starts: every case of the wire's rules, cut into the kinds that `properties` knows.

An input is a byte that names its kind, then what a peer sends.
"""

from __future__ import annotations

from tests.http.test_chunked import ACCEPTED
from tests.wire.answers import ANSWERS
from tests.wire.cases import REQUESTS

REQUEST, RESPONSE, CHUNKS = b"Q", b"S", b"C"
KINDS = (REQUEST, RESPONSE, CHUNKS)
MAX_BYTES = 4096
"""Of an input: what matters of HTTP fits, and a witness reads it in a millisecond."""


def seeds() -> list[bytes]:
    requests = [REQUEST + case.sent for case in REQUESTS]
    responses = [RESPONSE + case.said for case in ANSWERS]
    bodies = [CHUNKS + body for body in ACCEPTED]
    chunked = [
        CHUNKS + body for case in REQUESTS if b"chunked" in case.sent and (body := case.sent.partition(b"\r\n\r\n")[2])
    ]
    return [seed for seed in dict.fromkeys(requests + responses + bodies + chunked) if len(seed) <= MAX_BYTES]
