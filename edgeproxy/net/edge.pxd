# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.clock cimport Clock, DateField
from edgeproxy.net.limits cimport Limits
from edgeproxy.proxy.forward cimport Forwarder
from edgeproxy.proxy.observe cimport Observer
from edgeproxy.proxy.pipeline cimport Guard
from edgeproxy.proxy.table cimport Table
from edgeproxy.telemetry.counters cimport Counters

cdef list _LOW_DIGITS

cdef class Edge:
    cdef public object loop, dialer, departures, cache
    cdef public Table table
    cdef public Limits limits
    cdef public Observer observer
    cdef public Counters counters
    cdef public Clock clock
    cdef public DateField date
    cdef public Forwarder forwarder
    cdef public bint draining
    cdef public bytes scheme
    cdef public set clients, upstreams
    cdef bytes _id_prefix, _id_block
    cdef long long _ids
    cdef public Guard guard
    cdef public object door
    cdef double _sweep_due, _turn_began, _turn
    cdef object _sweeper

    @cython.locals(low=int)
    cpdef bytes new_request_id(self)
