# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.http.bounds cimport Bounds

cdef long long UNTIL_CHUNKED, UNTIL_CLOSE

@cython.final
@cython.freelist(64)
@cython.no_gc
cdef class BodyReader:
    cdef object _chunked
    cdef long long _left
    cdef public bint done

    cpdef skip(self, long long count)
    cpdef tuple feed(self, bytes data)
