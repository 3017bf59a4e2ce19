# Types of the compiled way; the source is the .py beside it.
from edgeproxy.http.bounds cimport Bounds

cdef class Limits:
    cdef readonly Bounds bounds
    cdef readonly long long head_bytes, answer_head_bytes, body_bytes, buffer
    cdef readonly int keep_alive_requests, upstream_resting
    cdef readonly double handshake, head, body_idle, body_rate, rate_grace, keep_alive, client_lifetime, linger, write_idle
    cdef readonly double connect, first_byte, stream_idle, tunnel_idle, upstream_idle, upstream_lifetime
