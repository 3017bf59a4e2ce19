# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.proxy.exchange cimport Exchange
from edgeproxy.proxy.pipeline cimport Guard

cdef class Observer:
    cdef public object counters, log, now
    cdef public Guard guard

    @cython.locals(seconds=double)
    cpdef ended(self, Exchange exchange)
