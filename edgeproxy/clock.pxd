# Types of the compiled way; the source is the .py beside it.
cdef class Clock:
    cdef object _read
    cdef readonly double now

    cpdef double tick(self) except? -1

cdef class DateField:
    cdef double _made_at
    cdef bytes _line

    cpdef bytes line(self, double now)
