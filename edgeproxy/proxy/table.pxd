# Types of the compiled way; the source is the .py beside it.
from edgeproxy.policy.rules cimport RoutePolicy
from edgeproxy.policy.balance.base cimport Strategy
from edgeproxy.policy.traffic cimport Traffic
from edgeproxy.telemetry.counters cimport RouteCounts

cdef class Pool:
    cdef readonly str name
    cdef readonly list workers
    cdef readonly Strategy strategy
    cdef readonly Traffic traffic
    cdef readonly object reader
    cdef readonly bint reads_body

cdef class Route:
    cdef readonly str name, dialect
    cdef readonly RouteCounts counts
    cdef readonly Pool pool
    cdef readonly Py_ssize_t strip, replay_bytes
    cdef readonly object idempotent
    cdef readonly bint trusted
    cdef readonly bytes local
    cdef readonly object reception
    cdef readonly RoutePolicy policy

cdef class Table:
    cdef readonly Route nowhere, everything
    cdef readonly dict exact, services
    cdef readonly list prefixes

    cpdef Route match(self, bytes path)
