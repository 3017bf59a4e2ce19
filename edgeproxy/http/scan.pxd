# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.http.fields cimport FieldNames

cdef int _CR, _LF, _SPACE, _TAB, _COLON, NAME, ODD_NAME, VALUE, TARGET, PLAIN, DROP, ASK, WITH_LINE
cdef bytes CLASSES

@cython.no_gc
cdef class Notes:
    cdef public bytes fields
    cdef public int count

    cpdef note(self, int kind, bytes line, bytes value)

@cython.locals(
    runs=list, run=Py_ssize_t, seen="const unsigned char*", classes="const unsigned char*", count=int,
    slots="const unsigned char*", kinds="const unsigned char*", slot=int, line=bytes, start=Py_ssize_t, flags=int, name_end=Py_ssize_t, value_start=Py_ssize_t,
    value_end=Py_ssize_t, usual=bint, size=Py_ssize_t, kind=int,
)
cpdef scan_fields(bytes data, Py_ssize_t at, Py_ssize_t end, FieldNames names, fault, Notes notes)

@cython.locals(
    seen="const unsigned char*", classes="const unsigned char*", at=Py_ssize_t, method_end=Py_ssize_t
)
cpdef (Py_ssize_t, Py_ssize_t) scan_request_line(bytes data) except *

@cython.locals(seen="const unsigned char*", size=Py_ssize_t, at=Py_ssize_t, byte=int)
cpdef Py_ssize_t head_end(bytes data) except? -2

@cython.locals(seen="const unsigned char*")
cpdef bytes tail(bytes data, Py_ssize_t at)

@cython.locals(seen="const unsigned char*", lower="const unsigned char*", index=Py_ssize_t)
cdef bint _same(bytes data, Py_ssize_t at, bytes candidate, Py_ssize_t size) except -1
@cython.locals(seen="const unsigned char*")
cdef bytes _line(bytes data, Py_ssize_t start, Py_ssize_t name_end, Py_ssize_t value_start, Py_ssize_t value_end)
