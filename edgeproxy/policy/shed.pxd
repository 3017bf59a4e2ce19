cimport cython

# Types of the compiled way; the source is the .py beside it.
cdef tuple _SHARE
cdef long long _ALL

@cython.final
cdef class Shed:
    cdef public long long bound, in_flight, level
    cdef long long _most, _asked, _owed
    cdef double _last_late

    @cython.locals(share="long long", refused="long long")
    cpdef bint takes(self, int priority) except -1
    cdef bint _spares(self, long long refused) except -1
    cpdef observed(self, double late)
