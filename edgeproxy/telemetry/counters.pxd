# Types of the compiled way; the source is the .py beside it.
cimport cython

cdef class RouteCounts:
    cdef dict _answers
    cdef bytes _method
    cdef int _status
    cdef long long _run
    cdef public list buckets
    cdef public double seconds
    cdef public long long bytes_in, bytes_out

    cdef _end_run(self)
    @cython.locals(bucket=Py_ssize_t)
    cpdef add(self, bytes method, int status, double seconds, Py_ssize_t bytes_in, Py_ssize_t bytes_out)

cdef class Counters:
    cdef public dict routes, faults, callers, events
    cdef public long long connections, open_connections, cache_hits, cache_misses, cache_bytes

    cpdef RouteCounts route(self, str name)
    cpdef fault(self, str name)
    cpdef event(self, str name)
