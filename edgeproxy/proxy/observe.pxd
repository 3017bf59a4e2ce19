# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.clock cimport Clock
from edgeproxy.proxy.exchange cimport Exchange
from edgeproxy.proxy.pipeline cimport Guard
from edgeproxy.telemetry.access cimport line

cdef class Observer:
    cdef public object counters, log
    cdef public Clock clock
    cdef public Guard guard

    @cython.locals(seconds=double)
    cpdef ended(self, Exchange exchange)

cdef bytes _line(Exchange exchange, double seconds)
