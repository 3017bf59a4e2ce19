# Types of the compiled way; the source is the .py beside it.
cimport cython

cdef int CONNECTION, CONTENT_LENGTH, GUARDED, KEEP_ALIVE, TRANSFER_ENCODING, UPGRADE, WEBSOCKET_ACCEPT
cdef long long NO_BODY, UNTIL_CHUNKED, UNTIL_CLOSE

cdef class ResponseHead:
    cdef public bytes reason, upgrade, websocket_accept
    cdef public int status, minor, idle_limit
    cdef public long long length
    cdef public bint keep_alive
    cdef public bytes fields, guarded


cdef class _Special:
    cdef public list codings, connection
    cdef public long long length


@cython.locals(special=_Special, line_end=Py_ssize_t)
cpdef ResponseHead parse_response(bytes data, Py_ssize_t end, bint to_head)
cdef ResponseHead _parse_status_line(bytes line)
@cython.locals(length="long long")
cdef _note(ResponseHead head, _Special special, int kind, bytes name, bytes value)
cdef long long _settle_length(ResponseHead head, _Special special, bint to_head) except? -9
