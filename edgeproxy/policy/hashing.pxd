# Types of the compiled way; the source is the .py beside it.
cimport cython

cdef unsigned long long MASK, _FIRST, _SECOND

@cython.locals(x="unsigned long long")
cpdef unsigned long long mix(unsigned long long value)

cdef class Dice:
    cdef unsigned long long _state

    @cython.locals(x="unsigned long long")
    cpdef unsigned long long roll(self)
    cpdef Py_ssize_t below(self, Py_ssize_t count)
