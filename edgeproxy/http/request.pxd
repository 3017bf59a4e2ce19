# Types of the compiled way; the source is the .py beside it.
cimport cython

cdef int CONNECTION, CONTENT_LENGTH, DROP, EXPECT, FORWARDED, HOST, PLAIN, REQUEST_ID, SINGLE
cdef int TRANSFER_ENCODING, UPGRADE, WEBSOCKET_KEY, WEBSOCKET_VERSION
cdef long long NO_BODY, UNTIL_CHUNKED

cdef class RequestHead:
    cdef public bytes method, target, host, websocket_key, request_id
    cdef public int minor
    cdef public long long length
    cdef public bint keep_alive, expect_continue
    cdef public bytes fields
    cdef public list forwarded


cdef class _Special:
    cdef public list hosts, lengths, codings, connection, upgrade, expect
    cdef public bytes version
    cdef public int singles


cpdef RequestHead parse_request(bytes data, Py_ssize_t end)

@cython.locals(method_end=Py_ssize_t, target_end=Py_ssize_t, minor=int, method=bytes)
cdef RequestHead _parse_request_line(bytes data, Py_ssize_t end)
cdef int _minor_version(bytes version) except -1
@cython.locals(special=_Special)
cdef _judge(RequestHead head, list noted)
cdef _note(RequestHead head, _Special special, int kind, bytes name, bytes value)
@cython.locals(bit=int)
cdef _note_single(_Special special, bytes name)
cdef list _and(list values, bytes value)
cdef _settle_host(RequestHead head, list hosts)
cdef long long _settle_length(RequestHead head, _Special special) except? -9
cdef bint _settle_connection(RequestHead head, list values) except -1
