# Types of the compiled way; the source is the .py beside it.
cdef class Cors:
    cdef bint _any
    cdef set _origins
    cdef bytes _credentials, _exposed, _max_age, _open, _asked, _fields

    cpdef bytes fields(self, bytes asking)
    cpdef bytes preflight(self, bytes asking, bytes names)
    cdef bint _allows(self, bytes asking) except -1
    cdef bytes _granted(self, bytes asking)
