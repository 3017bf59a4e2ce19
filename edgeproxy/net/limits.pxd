# Types of the compiled way; the source is the .py beside it.
cdef class Limits:
    cdef readonly long long head_bytes, body_bytes
    cdef readonly double handshake, head, body_idle, body_rate, keep_alive, write_idle, connect, first_byte, stream_idle, tunnel_idle
