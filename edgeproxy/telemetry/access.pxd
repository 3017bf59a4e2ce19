# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.http.answer cimport stands_in_json

cdef int _REMEMBERED
cdef dict _methods, _statuses, _routes, _seconds, _received, _sent, _workers, _addresses, _callers
cdef long long MAX_WAITING

@cython.locals(ending=bytes)
cpdef bytes line(
    bytes method, bytes path, int status, str route, double seconds, long long bytes_in, long long bytes_out,
    str worker, bytes request_id, str address, str caller, str fault, int failovers,
)
cdef bytes _text(bytes value)
cdef bytes _escaped(bytes value)
cdef bytes _method(bytes method)
cdef bytes _counted(dict pieces, long long value, bytes before)
cdef bytes _named(dict pieces, str value, bytes before, bytes after)
@cython.locals(micros="long long")
cdef bytes _duration(double seconds)
cdef bytes _remembered(dict pieces, key, bytes piece)

cdef class AccessLog:
    cdef object _out, _writer
    cdef list _lines
    cdef public long long _queued, _written, dropped
    cdef long long _opened_at
    cdef bytes _opened

    @cython.locals(whole=bytes)
    cpdef add(self, double now, bytes line)
    cdef bytes _opening(self, long long millisecond)
