# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.http.bounds cimport Bounds
from edgeproxy.http.fields cimport FieldNames
from edgeproxy.http.framing cimport parse_content_length
from edgeproxy.http.scan cimport Notes, scan_fields, scan_request_line

cdef int API_KEY, ASKED_FIELDS, ASKED_METHOD, AUTHORIZATION, LOOP, ORIGIN
cdef int CONNECTION, CONTENT_LENGTH, DROP, EXPECT, FORWARDED, HOST, PLAIN, REQUEST_ID, SINGLE
cdef int TRANSFER_ENCODING, UPGRADE, WEBSOCKET_KEY, WEBSOCKET_VERSION
cdef int _MAX_METHOD, _CR, _LF, _SLASH, _ZERO
cdef long long NO_BODY, UNTIL_CHUNKED
cdef FieldNames REQUEST_FIELDS
cdef dict _USUAL_CONNECTION
cdef set _hosts
cdef bytes _HTTP_1

@cython.no_gc
cdef class RequestHead(Notes):
    cdef public bytes method, target, host, websocket_key, request_id
    cdef public bytes credentials, authorization, api_key, origin, asked_method, asked_fields, loop
    cdef public int minor
    cdef public long long length
    cdef public bint keep_alive, expect_continue
    cdef public list forwarded
    cdef public bytes _length, _key, _version
    cdef public int _hosts, _lengths, _singles
    cdef public list _codings, _connection, _upgrade, _expect, _whole

    cpdef note(self, int kind, bytes line, bytes value)
    cdef _note_rare(self, int kind, bytes line, bytes value)
    cdef _note_asking(self, int kind, bytes value)
    cdef _note_single(self, int bit)


@cython.locals(head=RequestHead, method_end=Py_ssize_t, target_end=Py_ssize_t)
cpdef RequestHead parse_request(bytes data, Py_ssize_t end, Bounds bounds=*)

@cython.locals(seen="const unsigned char*", method=bytes)
cdef RequestHead _parse_request_line(bytes data, Py_ssize_t method_end, Py_ssize_t target_end, Py_ssize_t longest)
@cython.locals(seen="const unsigned char*", prefix="const unsigned char*", index=int, minor=int)
cdef bint _is_ours(bytes data, Py_ssize_t at) except -1
@cython.locals(upgrading=bint)
cdef _judge(RequestHead head)
cdef list _and(list values, bytes value)
@cython.locals(target=bytes)
cdef _settle_host(RequestHead head)
cdef _check_host(bytes host)
cdef long long _settle_length(RequestHead head) except? -9
cdef bint _settle_connection(RequestHead head, list values) except -1
