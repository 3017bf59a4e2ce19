# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.http.bounds cimport Bounds
from edgeproxy.http.fields cimport FieldNames
from edgeproxy.http.framing cimport parse_content_length
from edgeproxy.http.scan cimport Notes, scan_fields

cdef int CONNECTION, CONTENT_LENGTH, CORS, GUARDED, KEEP_ALIVE, LOAD, TRANSFER_ENCODING, UPGRADE, WEBSOCKET_ACCEPT, _CR, _LF
cdef long long NO_BODY, UNTIL_CHUNKED, UNTIL_CLOSE
cdef FieldNames RESPONSE_FIELDS
cdef bytes _OK, _USUAL

@cython.no_gc
cdef class ResponseHead(Notes):
    cdef public bytes reason, upgrade, websocket_accept
    cdef public int status, minor, idle_limit
    cdef public long long length
    cdef public bint keep_alive
    cdef public bytes guarded, cors, load
    cdef public list _codings, _connection

    @cython.locals(length="long long")
    cpdef note(self, int kind, bytes line, bytes value)


@cython.locals(head=ResponseHead, at=Py_ssize_t)
cpdef ResponseHead parse_response(bytes data, Py_ssize_t end, bint to_head, Bounds bounds=*)
@cython.locals(seen="const unsigned char*", at=Py_ssize_t)
cdef Py_ssize_t _line_end(bytes data) except -1
@cython.locals(seen="const unsigned char*", usual="const unsigned char*", index=int)
cdef bint _is_usual(bytes data) except -1
@cython.locals(seen="const unsigned char*")
cdef ResponseHead _parse_status_line(bytes data, Py_ssize_t end)
cdef long long _settle_length(ResponseHead head, bint to_head) except? -9
