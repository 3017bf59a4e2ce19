# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.http.fields cimport FieldNames

cdef int _CR, _LF, _SPACE, _TAB, _COLON, NAME, ODD_NAME, VALUE, TARGET, PLAIN, DROP
cdef bytes CLASSES

cdef class Notes:
    cdef public bytes fields
    cdef public int count

    cpdef note(self, int kind, bytes name, bytes value)

@cython.locals(
    runs=list, run=Py_ssize_t, seen="const unsigned char*", classes="const unsigned char*", count=int,
    maybe="const unsigned char*", start=Py_ssize_t, flags=int, name_end=Py_ssize_t, value_start=Py_ssize_t,
    value_end=Py_ssize_t, usual=bint, size=Py_ssize_t, kind=int, name=bytes,
)
cpdef scan_fields(bytes data, Py_ssize_t at, Py_ssize_t end, FieldNames names, fault, Notes notes)

@cython.locals(
    seen="const unsigned char*", classes="const unsigned char*", at=Py_ssize_t, method_end=Py_ssize_t
)
cpdef tuple scan_request_line(bytes data)

@cython.locals(seen="const unsigned char*", size=Py_ssize_t, at=Py_ssize_t, byte=int)
cpdef Py_ssize_t head_end(bytes data) except? -2
