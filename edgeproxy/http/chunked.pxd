# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.http.bounds cimport Bounds

cdef int _SIZE, _DATA, _DATA_END, _TRAILERS, _DONE
cdef long long _MAX_SIZE

@cython.locals(byte=cython.int, size="long long", value="long long", at=Py_ssize_t)
cdef long long _plain_size(bytes line) except -2

@cython.final
cdef class ChunkedReader:
    cdef Bounds _bounds
    cdef object _fault
    cdef bytes _held
    cdef long long _left
    cdef int _state
    cdef Py_ssize_t _trailers, _trailer_bytes
    cdef public bint done

    @cython.locals(payload=list, at=Py_ssize_t, size=Py_ssize_t, end=Py_ssize_t, rest=bytes)
    cpdef tuple feed(self, bytes data)
    @cython.locals(limit=Py_ssize_t, end=Py_ssize_t)
    cdef Py_ssize_t _line_end(self, bytes data, Py_ssize_t at) except -2
    cdef _take_line(self, bytes line)
    @cython.locals(size="long long")
    cdef _take_size(self, bytes line)
    cdef _check_trailer(self, bytes line)
