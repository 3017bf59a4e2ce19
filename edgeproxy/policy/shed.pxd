# Types of the compiled way; the source is the .py beside it.
cimport cython

cdef tuple _SHARE

@cython.final
cdef class Shed:
    cdef public long long bound, in_flight, shed

    @cython.locals(share="long long")
    cpdef bint takes(self, int priority) except -1
    cpdef observed(self, double late)
