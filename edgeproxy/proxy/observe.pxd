# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.clock cimport Clock
from edgeproxy.proxy.exchange cimport Exchange

cdef class Observer:
    cdef public object counters, log
    cdef public Clock clock

    @cython.locals(seconds=double)
    cpdef ended(self, Exchange exchange)
